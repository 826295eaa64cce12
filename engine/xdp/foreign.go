package xdp

import (
	"fmt"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink/nl"
)

// device is a network device and the program that it carries.
type device struct {
	name     string
	index    int
	attached attachment
	program  ebpf.ProgramID // 0: none, or several
}

// attachment is IFLA_XDP_ATTACHED of include/uapi/linux/if_link.h.
type attachment uint32

const (
	attachedNative   attachment = nl.XDP_ATTACHED_DRV
	attachedGeneric  attachment = nl.XDP_ATTACHED_SKB
	attachedHardware attachment = nl.XDP_ATTACHED_HW
)

func (d device) occupied() bool { return d.attached != nl.XDP_ATTACHED_NONE }

// foreign is the error that names the program and says how to get rid of it.
func (d device) foreign() error {
	if d.program == 0 {
		return fmt.Errorf("xdp: %s %w, in several modes; \"bpftool net\" lists them", d.name, ErrForeignProgram)
	}
	mode, word := "native", "xdpdrv"
	switch d.attached {
	case attachedGeneric:
		mode, word = "generic", "xdpgeneric"
	case attachedHardware:
		mode, word = "hardware", "xdpoffload"
	}
	remedy := fmt.Sprintf("\"ip link set dev %s %s off\" detaches it", d.name, word)
	if id, ok := linkOf(d.program); ok {
		remedy = fmt.Sprintf("its BPF link %d ends with its owner, or by \"bpftool link detach id %d\"", id, id)
	}
	return fmt.Errorf("xdp: %s %w: %d%s (%s); %s", d.name, ErrForeignProgram, d.program, nameOf(d.program), mode, remedy)
}

// nameOf is the program's name, quoted, or nothing where the kernel tells us none.
func nameOf(id ebpf.ProgramID) string {
	prog, err := ebpf.NewProgramFromID(id)
	if err != nil {
		return ""
	}
	defer prog.Close()
	info, err := prog.Info()
	if err != nil || info.Name == "" {
		return ""
	}
	return fmt.Sprintf(" %q", strings.ToValidUTF8(info.Name, "?"))
}

// linkOf finds the link by which a program hangs on its device: such a one
// cannot be taken off by netlink.
func linkOf(id ebpf.ProgramID) (link.ID, bool) {
	var it link.Iterator
	defer it.Close()
	for it.Next() {
		info, err := it.Link.Info()
		if err == nil && info.Type == link.XDPType && info.Program == id {
			return info.ID, true
		}
	}
	return 0, false
}
