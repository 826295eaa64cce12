package afxdp

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/engine/xdp"
)

// What may go wrong, for errors.Is, beside the errors of packages engine and xdp.
var (
	// ErrMTU: packets of the device do not fit a chunk.
	ErrMTU = errors.New("the MTU is too large")
	// ErrMemlock: the memory exceeds what the process may lock.
	ErrMemlock = errors.New("too much locked memory")
	// ErrMemory: the Memory does not suit, or is in use.
	ErrMemory = errors.New("packet memory")
)

const needsRoot = "run as root, or with CAP_NET_RAW, CAP_NET_ADMIN and CAP_BPF"

func noQueue(name string, queue, n int) error {
	return fmt.Errorf("afxdp: queue %d of %s, which has %d: %w; \"ethtool -L %s combined %d\" adds it", queue, name, n, engine.ErrNoQueue, name, queue+1)
}

func socketError(err error) error {
	switch {
	case errors.Is(err, unix.EAFNOSUPPORT):
		return fmt.Errorf("afxdp: AF_XDP sockets are %w: it must be Linux 5.10 or later with CONFIG_XDP_SOCKETS=y (%w)", engine.ErrNotSupported, err)
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fmt.Errorf("afxdp: opening an AF_XDP socket is %w: %s (%w)", engine.ErrPermission, needsRoot, err)
	}
	return fmt.Errorf("afxdp: opening an AF_XDP socket: %w", err)
}

// registerError explains what XDP_UMEM_REG answered (xdp_umem_reg and xdp_umem_account_pages,
// net/xdp/xdp_umem.c, Linux 6.18).
func registerError(size int, err error) error {
	switch {
	case errors.Is(err, unix.ENOBUFS):
		return fmt.Errorf("afxdp: %w: %d KiB for packets is above RLIMIT_MEMLOCK; \"ulimit -l unlimited\" or CAP_IPC_LOCK lifts it, fewer frames lower it (%w)", ErrMemlock, size>>10, err)
	case errors.Is(err, unix.ENOMEM):
		return fmt.Errorf("afxdp: registering %d KiB for packets: the machine lacks the memory; take fewer frames (%w)", size>>10, err)
	}
	return fmt.Errorf("afxdp: registering %d KiB for packets: %w", size>>10, err)
}

func settingError(what string, err error) error {
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fmt.Errorf("afxdp: %s is %w: %s (%w)", what, engine.ErrPermission, needsRoot, err)
	case errors.Is(err, unix.ENOPROTOOPT):
		return fmt.Errorf("afxdp: %s is %w (%w)", what, engine.ErrNotSupported, err)
	}
	return fmt.Errorf("afxdp: %s: %w", what, err)
}

// bindError explains what bind answered (xsk_bind, net/xdp/xsk.c and xp_assign_dev,
// net/xdp/xsk_buff_pool.c, Linux 6.18).
func bindError(itf *Interface, queue int, r rung, err error) error {
	where := fmt.Sprintf("afxdp: %s: queue %d", itf.Name, queue)
	switch {
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("%s: %w (%w)", where, engine.ErrBusy, err)
	case errors.Is(err, unix.ENODEV):
		return fmt.Errorf("%s: %w (%w)", where, engine.ErrGone, err)
	case errors.Is(err, unix.ENETDOWN):
		return fmt.Errorf("%s: %w (%w)", where, engine.ErrDown, err)
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fmt.Errorf("%s: binding is %w: %s (%w)", where, engine.ErrPermission, needsRoot, err)
	// ENOENT: virtio_net without VIRTIO_F_RING_RESET. EINVAL: without an IOMMU, or
	// the MTU is above what zero-copy takes.
	case r.mode == ZeroCopy && isOneOf(err, unix.EOPNOTSUPP, unix.EINVAL, unix.ENOENT):
		return fmt.Errorf("%s: zerocopy is %w%s; mode auto or copy works (%w)", where, engine.ErrNotSupported, byDriver(itf), err)
	case isOneOf(err, unix.EOPNOTSUPP, unix.EINVAL):
		return fmt.Errorf("%s: mode %s is %w (%w)", where, r.mode, engine.ErrNotSupported, err)
	}
	return fmt.Errorf("%s: binding in mode %s: %w", where, r.mode, err)
}

func byDriver(itf *Interface) string {
	if itf.Driver == "" {
		return ""
	}
	return ": driver " + itf.Driver
}

func isOneOf(err error, list ...error) bool {
	for _, e := range list {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// takenError is what is left to say when a queue stays busy.
func takenError(cause error, cfg *Config, holders []holder) error {
	who := "no process with an AF_XDP socket was found; it may be in another PID namespace, or the queue be reserved otherwise"
	if len(holders) > 0 {
		names := make([]string, len(holders))
		for i, h := range holders {
			names[i] = h.String()
		}
		who = "AF_XDP sockets are held by " + strings.Join(names, ", ") + "; end the one that uses it, or take another queue"
	}
	return fmt.Errorf("%w: still so after %s; %s", cause, cfg.BindTimeout, who)
}

// attachError puts the engine's sentinel beside package xdp's.
func attachError(err error) error {
	pairs := []struct{ from, to error }{
		{xdp.ErrForeignProgram, engine.ErrBusy},
		{xdp.ErrPermission, engine.ErrPermission},
		{xdp.ErrNotSupported, engine.ErrNotSupported},
		{xdp.ErrNoDevice, engine.ErrGone},
	}
	for _, p := range pairs {
		if errors.Is(err, p.from) {
			return &alias{err, p.to}
		}
	}
	return err
}

// alias is an error that is another one besides. The text is the first one's.
type alias struct {
	error
	also error
}

func (a *alias) Unwrap() []error { return []error{a.error, a.also} }
