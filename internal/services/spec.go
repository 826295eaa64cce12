package services

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

// What is wrong with a service's words.
var (
	ErrUnknown = errors.New("unknown service")
	ErrConfig  = errors.New("wrong words")
)

// Spec is a service that is asked for.
type Spec struct {
	Name    string
	Address string // host:port, the host an address of the stack's or nothing
	Dir     string // of http and go-http
}

// Parse reads NAME[=ADDRESS[,FOLDER]]. The errors are ErrUnknown and ErrConfig, and say what there is.
func Parse(text string) (Spec, error) {
	name, rest, _ := strings.Cut(text, "=")
	s, ok := table[name]
	if !ok {
		return Spec{}, fmt.Errorf("%w %q; there are %s", ErrUnknown, name, strings.Join(Names(), ", "))
	}
	spec := Spec{Name: name}
	spec.Address, spec.Dir, _ = strings.Cut(rest, ",")
	if spec.Address == "" {
		spec.Address = ":" + strconv.Itoa(int(s.port))
	}
	if err := checkAddress(spec.Address); err != nil {
		return Spec{}, fmt.Errorf("%w: service %q: address %q: %w; write %s", ErrConfig, name, spec.Address, err, s.example(name))
	}
	switch {
	case s.folder && spec.Dir == "":
		return Spec{}, fmt.Errorf("%w: service %q needs a folder; write %s", ErrConfig, name, s.example(name))
	case !s.folder && spec.Dir != "":
		return Spec{}, fmt.Errorf("%w: service %q takes no folder; write %s", ErrConfig, name, s.example(name))
	}
	return spec, nil
}

// ParseAll reads the values of flags or of a file: each a service, or several that are
// names alone, with commas between.
func ParseAll(values []string) (specs []Spec, err error) {
	for _, v := range values {
		texts := []string{v}
		if !strings.Contains(v, "=") {
			texts = strings.Split(v, ",")
		}
		for _, text := range texts {
			spec, err := Parse(strings.TrimSpace(text))
			if err != nil {
				return nil, err
			}
			if err := spec.checkFolder(); err != nil {
				return nil, err
			}
			specs = append(specs, spec)
		}
	}
	return specs, nil
}

// example is what can be written for the service.
func (s service) example(name string) string {
	if s.folder {
		return fmt.Sprintf("%s=:%d,FOLDER", name, s.port)
	}
	return fmt.Sprintf("%s or %s=:%d", name, name, s.port)
}

func checkAddress(text string) error {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		var at *net.AddrError
		if errors.As(err, &at) {
			return errors.New(at.Err)
		}
		return err
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 { // nobody would learn which port 0 became
		return errors.New("not a port")
	}
	if host != "" {
		if _, err := netip.ParseAddr(host); err != nil {
			return errors.New("not an IP address")
		}
	}
	return nil
}

// checkFolder finds a folder that is not there before a device is opened.
func (s Spec) checkFolder() error {
	if s.Dir == "" {
		return nil
	}
	info, err := os.Stat(s.Dir)
	if err != nil {
		return fmt.Errorf("service %q: folder: %w", s.Name, err)
	}
	if !info.IsDir() {
		return fmt.Errorf("%w: service %q: %s is not a folder", ErrConfig, s.Name, s.Dir)
	}
	return nil
}

// String is the spec as Parse reads it.
func (s Spec) String() string {
	if s.Dir != "" {
		return s.Name + "=" + s.Address + "," + s.Dir
	}
	if s.Address == ":"+strconv.Itoa(int(table[s.Name].port)) {
		return s.Name
	}
	return s.Name + "=" + s.Address
}

// Names are the services, sorted.
func Names() (names []string) {
	for n := range table {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}
