package xdp

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Mode says where the kernel runs the program.
type Mode uint8

const (
	// Auto is Native where the driver can, otherwise Generic.
	Auto Mode = iota
	// Native runs it in the driver, before the kernel makes an sk_buff.
	Native
	// Generic runs it on the sk_buff, for any device and far slower.
	Generic
)

// String is the mode's name: auto, native or generic.
func (m Mode) String() string {
	switch m {
	case Auto:
		return "auto"
	case Native:
		return "native"
	case Generic:
		return "generic"
	}
	return "unknown"
}

func (m Mode) flags() link.XDPAttachFlags {
	if m == Generic {
		return link.XDPGenericMode
	}
	return link.XDPDriverMode
}

// Attach puts the program on a device of the calling thread's network
// namespace, by a link that dies with the process. It returns the mode in
// force, read back from the kernel; where that is Generic and Auto was asked
// for, WhyGeneric says why.
//
// It fails with ErrForeignProgram, which leaves that program alone, with
// ErrNotSupported, ErrPermission, ErrNoDevice or ErrAttached.
func (p *Program) Attach(ifindex int, mode Mode) (Mode, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.link != nil {
		return Auto, fmt.Errorf("xdp: the program is %w to %s; load another for another device", ErrAttached, p.device)
	}
	before, err := lookAt(ifindex)
	if err != nil {
		return Auto, err
	}
	// The kernel refuses a second program itself, except beside one in hardware.
	if before.occupied() {
		return Auto, before.foreign()
	}
	l, whyGeneric, err := p.tryModes(before, mode)
	if err != nil {
		return Auto, err
	}
	got, err := p.readBack(ifindex)
	if err != nil {
		return Auto, errors.Join(err, l.Close())
	}
	p.link, p.device, p.whyGeneric = l, before.name, whyGeneric
	return got, nil
}

// WhyGeneric is the error of the native attach that Auto tried before it fell
// back to Generic; nil when it did not have to.
func (p *Program) WhyGeneric() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.whyGeneric
}

func (p *Program) tryModes(dev device, mode Mode) (l link.Link, whyGeneric, err error) {
	if mode != Auto {
		l, err = p.try(dev, mode)
		return l, nil, err
	}
	l, err = p.try(dev, Native)
	if !errors.Is(err, ErrNotSupported) {
		return l, nil, err
	}
	whyGeneric = err
	l, err = p.try(dev, Generic)
	return l, whyGeneric, err
}

func (p *Program) try(dev device, mode Mode) (link.Link, error) {
	l, err := link.AttachXDP(link.XDPOptions{
		Program:   p.entry(p.all),
		Interface: dev.index,
		Flags:     mode.flags(),
	})
	switch {
	case err == nil:
		return l, nil
	// dev_xdp_attach (net/core/dev.c, 6.12): EBUSY for a program in the same
	// mode, EEXIST for one in another, or on a device stacked above.
	case errors.Is(err, unix.EBUSY), errors.Is(err, unix.EEXIST):
		return nil, lateForeign(dev, err)
	default:
		return nil, attachError(dev.name, mode, err)
	}
}

// lateForeign names a program that came between our look and our attach.
func lateForeign(dev device, cause error) error {
	if now, err := lookAt(dev.index); err == nil && now.occupied() {
		return now.foreign()
	}
	return fmt.Errorf("xdp: %s, or a device stacked on it, %w (%v); \"bpftool net\" lists them", dev.name, ErrForeignProgram, cause)
}

// readBack asks the kernel for the mode that our program runs in.
func (p *Program) readBack(ifindex int) (Mode, error) {
	info, err := p.entry(p.all).Info()
	if err != nil {
		return Auto, fmt.Errorf("xdp: reading the program back: %w", err)
	}
	ours, _ := info.ID()
	dev, err := lookAt(ifindex)
	if err != nil {
		return Auto, err
	}
	switch {
	case dev.program != ours:
		return Auto, fmt.Errorf("xdp: %s: attached program %d, but the device reports %d", dev.name, ours, dev.program)
	case dev.attached == attachedNative:
		return Native, nil
	case dev.attached == attachedGeneric:
		return Generic, nil
	}
	return Auto, fmt.Errorf("xdp: %s: the program is attached in mode %d, which was not asked for", dev.name, dev.attached)
}

// lookAt asks the kernel which program a device carries.
func lookAt(ifindex int) (device, error) {
	l, err := netlink.LinkByIndex(ifindex)
	var notFound netlink.LinkNotFoundError
	switch {
	case errors.As(err, &notFound), errors.Is(err, unix.ENODEV):
		return device{}, fmt.Errorf("xdp: interface %d: %w in this network namespace; \"ip link\" lists them", ifindex, ErrNoDevice)
	case err != nil:
		return device{}, fmt.Errorf("xdp: interface %d: asking the kernel for it: %w", ifindex, err)
	}
	attrs := l.Attrs()
	dev := device{name: attrs.Name, index: ifindex}
	if attrs.Xdp != nil && attrs.Xdp.Attached {
		dev.attached = attachment(attrs.Xdp.AttachMode)
		dev.program = ebpf.ProgramID(attrs.Xdp.ProgId)
	}
	return dev, nil
}
