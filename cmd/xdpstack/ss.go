package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/xdpstack/xdpstack"
	"github.com/xdpstack/xdpstack/internal/control"
)

// ssFlags choose what "ss" shows, with ss(8)'s letters.
type ssFlags struct {
	control              string
	tcp, udp, raw        bool
	listening, connected bool
	info                 bool
}

func newSSCmd() *cobra.Command {
	var f ssFlags
	c := &cobra.Command{
		Use: "ss", Short: "Show the sockets of running hosts", Args: cobra.NoArgs,
		Long: `Show every socket of the hosts that run on this machine, as ss does for the kernel's: state, queues, ends, worker and owner.

Recv-Q and Send-Q are octets not read and not acknowledged yet; of a listener, the connections that wait and how many may.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runSS(cmd, &f) },
	}
	controlFlag(c, &f.control)
	c.Flags().BoolVarP(&f.tcp, "tcp", "t", false, "TCP sockets")
	c.Flags().BoolVarP(&f.udp, "udp", "u", false, "UDP sockets")
	c.Flags().BoolVarP(&f.raw, "raw", "w", false, "raw sockets")
	c.Flags().BoolVarP(&f.listening, "listening", "l", false, "only sockets that wait for peers")
	c.Flags().BoolVar(&f.connected, "connected", false, "only sockets that have a peer")
	c.Flags().BoolVarP(&f.info, "info", "i", false, "congestion window, round trip, retransmissions")
	return c
}

// controlFlag is the flag of commands that look into a running host.
func controlFlag(c *cobra.Command, path *string) {
	c.Flags().StringVar(path, "control", "", "control socket of a host (default all in "+control.Dir+")")
}

// clients are those of the named control socket, or of all that there are.
func clients(path string) ([]*control.Client, error) {
	paths := []string{path}
	if path == "" {
		var err error
		if paths, err = control.Find(control.Dir); err != nil {
			return nil, err
		}
	}
	var out []*control.Client
	for _, p := range paths {
		out = append(out, control.NewClient(p))
	}
	return out, nil
}

// hostSockets is what "ss --json" prints, a line for each host.
type hostSockets struct {
	Host    string                `json:"host"`
	Sockets []xdpstack.SocketInfo `json:"sockets"`
}

func runSS(cmd *cobra.Command, f *ssFlags) error {
	hosts, err := clients(f.control)
	if err != nil {
		return err
	}
	var failed error
	for _, c := range hosts {
		all, err := c.Sockets(cmd.Context())
		if err != nil {
			failed = errors.Join(failed, err) // one that ends now hides no other
			continue
		}
		h := hostSockets{c.Name(), slices.DeleteFunc(all, func(s xdpstack.SocketInfo) bool { return !f.shows(&s) })}
		err = emit(cmd, h, func(w io.Writer) {
			if len(hosts) > 1 {
				fmt.Fprintf(w, "host %s\n", h.Host)
			}
			printSockets(w, h.Sockets, f.info)
		})
		if err != nil {
			return err
		}
	}
	return failed
}

func (f *ssFlags) shows(s *xdpstack.SocketInfo) bool {
	kinds := map[string]bool{"tcp": f.tcp, "udp": f.udp, "raw": f.raw}
	if (f.tcp || f.udp || f.raw) && !kinds[s.Network] {
		return false
	}
	return (!f.listening || s.Peer.Port() == 0) && (!f.connected || s.Peer.Port() != 0)
}

func printSockets(w io.Writer, sockets []xdpstack.SocketInfo, info bool) {
	var table strings.Builder // whole, so that lines between do not part its columns
	t := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "Netid\tState\tRecv-Q\tSend-Q\tLocal Address:Port\tPeer Address:Port\tWorker\tProcess")
	for i := range sockets {
		s := &sockets[i]
		peer := "*:*"
		if s.Peer.Port() != 0 {
			peer = s.Peer.String()
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%s\t%s\t%d\tpid=%d,uid=%d\n",
			s.Network, s.State, s.RecvQueue, s.SendQueue, s.Local, peer, s.Worker, s.Owner.PID, s.Owner.UID)
	}
	t.Flush()
	for i, row := range strings.Split(strings.TrimSuffix(table.String(), "\n"), "\n") {
		fmt.Fprintln(w, row)
		if i == 0 || !info { // the head
			continue
		}
		if line := infoLine(&sockets[i-1]); line != "" {
			fmt.Fprintf(w, "\t%s\n", line)
		}
	}
}

// infoLine has ss -i's words; a threshold that was never set is not shown.
func infoLine(s *xdpstack.SocketInfo) string {
	if s.MSS == 0 {
		return ""
	}
	words := []string{fmt.Sprintf("mss:%d cwnd:%d", s.MSS, s.Cwnd/s.MSS)}
	if s.Ssthresh > 0 && s.Ssthresh < 1<<30 {
		words = append(words, fmt.Sprintf("ssthresh:%d", s.Ssthresh/s.MSS))
	}
	words = append(words, fmt.Sprintf("rto:%v", time.Duration(s.RTO)))
	if s.SRTT > 0 {
		words = append(words, fmt.Sprintf("rtt:%v", time.Duration(s.SRTT)))
	}
	if s.Retransmits > 0 {
		words = append(words, fmt.Sprintf("retrans:%d", s.Retransmits))
	}
	return strings.Join(words, " ")
}
