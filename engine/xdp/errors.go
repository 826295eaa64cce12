package xdp

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// What may go wrong, for errors.Is. The errors returned name the device or
// the rule besides, and say what to do.
var (
	// ErrForeignProgram: the device carries an XDP program of somebody else's.
	ErrForeignProgram = errors.New("already carries another XDP program")
	// ErrNotSupported: the kernel or the driver cannot do it.
	ErrNotSupported = errors.New("not supported")
	// ErrPermission: the process may not do it.
	ErrPermission = errors.New("not permitted")
	// ErrNoDevice: no such interface in the thread's network namespace.
	ErrNoDevice = errors.New("no such interface")
	// ErrAttached: the program is on a device already.
	ErrAttached = errors.New("already attached")
	// ErrQueue: the queue is not one of Config.Queues.
	ErrQueue = errors.New("no such queue")
	// ErrFilter: the filter asks for what cannot be.
	ErrFilter = errors.New("invalid filter")
	// ErrLimit: more than was made room for when the program was loaded.
	ErrLimit = errors.New("too many")
)

const needsRoot = "run as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_NET_RAW"

// loadError explains why the kernel did not load the program or its maps.
func loadError(err error) error {
	var refused *ebpf.VerifierError
	switch {
	case errors.As(err, &refused):
		return fmt.Errorf("xdp: loading the program: %w by this kernel: its verifier refuses the program: %w", ErrNotSupported, refused)
	case errors.Is(err, ebpf.ErrNotSupported):
		return fmt.Errorf("xdp: loading the program: %w by this kernel: Linux 5.10 or later with CONFIG_XDP_SOCKETS=y is needed (%v)", ErrNotSupported, err)
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		// Before 5.11 the maps count against RLIMIT_MEMLOCK, and that is EPERM too.
		return fmt.Errorf("xdp: loading the program: %w: %s; before Linux 5.11 also \"ulimit -l unlimited\" (%v)", ErrPermission, needsRoot, err)
	default:
		return fmt.Errorf("xdp: loading the program: %w", err)
	}
}

// attachError explains why the kernel did not attach the program. EBUSY and
// EEXIST, another program, are not its business (see foreign).
func attachError(name string, mode Mode, err error) error {
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fmt.Errorf("xdp: %s: attaching: %w: %s", name, ErrPermission, needsRoot)
	case errors.Is(err, unix.ENODEV):
		return fmt.Errorf("xdp: %s: attaching: %w", name, ErrNoDevice)
	case errors.Is(err, unix.ENETDOWN), errors.Is(err, unix.ENOMEM):
		return fmt.Errorf("xdp: %s: attaching (%s): %w", name, mode, err)
	default:
		return fmt.Errorf("xdp: %s: %s mode %w: %s (%v)", name, mode, ErrNotSupported, hint(err), err)
	}
}

// hint says what the usual refusals of drivers mean. The kernel's own words
// (extended acks) do not come back from a BPF link.
func hint(err error) string {
	switch {
	case errors.Is(err, unix.EOPNOTSUPP):
		return "the driver has no XDP; use generic mode"
	case errors.Is(err, unix.ERANGE), errors.Is(err, unix.E2BIG):
		return "the MTU does not fit one buffer; lower it with \"ip link set mtu\", or use generic mode"
	case errors.Is(err, unix.ENOSPC):
		return "more receive queues are needed, at least as many as the peer has for transmitting (\"ethtool -L\")"
	case errors.Is(err, unix.ENOTCONN):
		return "the veth has no peer"
	default:
		return "the driver refuses; LRO must be off (\"ethtool -K lro off\") and the MTU fit one buffer, or use generic mode"
	}
}
