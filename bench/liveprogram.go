package bench

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/xdpstack/xdpstack/engine"
)

// liveProgram is the XDP program that live frames run through: it counts each, makes it the next flow's, and
// redirects it out of the interface.
type liveProgram struct {
	prog  *ebpf.Program
	count *ebpf.Map // one slot: packets so far
	size  int       // of each, in bytes
}

// loadLive loads the program for an interface.
func loadLive(ifindex int, t *template) (*liveProgram, error) {
	count, err := ebpf.NewMap(&ebpf.MapSpec{Name: "live_count", Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	if err != nil {
		return nil, liveError(err)
	}
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "live_source", Type: ebpf.XDP, License: "Apache-2.0", Instructions: liveCode(ifindex, t, count.FD()),
	})
	if err != nil {
		return nil, errors.Join(liveError(err), count.Close())
	}
	return &liveProgram{prog: prog, count: count, size: len(t.bytes)}, nil
}

func liveError(err error) error {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return fmt.Errorf("bench: loading the program that sends live frames is %w: run as root, or with CAP_BPF and CAP_NET_ADMIN (%w)", engine.ErrPermission, err)
	}
	return fmt.Errorf("bench: loading the program that sends live frames: %w", err)
}

// sent is how many packets went through the program.
func (p *liveProgram) sent() (n uint64, err error) {
	if err := p.count.Lookup(uint32(0), &n); err != nil {
		return 0, fmt.Errorf("bench: counter of live frames: %w", err)
	}
	return n, nil
}

func (p *liveProgram) close() error { return errors.Join(p.prog.Close(), p.count.Close()) }

// Fields of struct xdp_md (uapi/linux/bpf.h), which are read as 32 bits wide.
const (
	mdData    = 0
	mdDataEnd = 4
)

// liveCode is the program. The frames are recycled and keep what was written to them, so a flow's port
// and checksum are written each time. Unlike a packet of the stack's it is written for the
// checksum's sum alone: see template.setFlow.
//
//	R6 the frame   R7 its number, then its flow   R8 the checksum
func liveCode(ifindex int, t *template, count int) asm.Instructions {
	code := asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.LoadMapValue(asm.R1, count, 0),
		asm.LoadMem(asm.R7, asm.R1, 0, asm.DWord),
		asm.Mov.Reg(asm.R2, asm.R7),
		asm.Add.Imm(asm.R2, 1),
		asm.StoreMem(asm.R1, 0, asm.R2, asm.DWord),
	}
	if t.flows > 1 {
		code = append(code, flowCode(t)...)
	}
	return append(code,
		asm.Mov.Imm(asm.R1, int32(ifindex)).WithSymbol("redirect"),
		asm.Mov.Imm(asm.R2, 0),
		asm.FnRedirect.Call(),
		asm.Return(),
	)
}

func flowCode(t *template) asm.Instructions {
	return asm.Instructions{
		asm.Mod.Imm(asm.R7, int32(t.flows)),
		asm.LoadMem(asm.R2, asm.R6, mdData, asm.Word),
		asm.LoadMem(asm.R3, asm.R6, mdDataEnd, asm.Word),
		asm.Mov.Reg(asm.R4, asm.R2),
		asm.Add.Imm(asm.R4, int32(t.srcPort+udpLen)),
		asm.JGT.Reg(asm.R4, asm.R3, "redirect"), // never: the verifier wants to see it

		asm.Mov.Reg(asm.R8, asm.R7),
		asm.Add.Imm(asm.R8, int32(t.sum)),
		asm.Mov.Reg(asm.R4, asm.R8),
		asm.RSh.Imm(asm.R4, 16),
		asm.And.Imm(asm.R8, 0xffff),
		asm.Add.Reg(asm.R8, asm.R4),
		asm.Xor.Imm(asm.R8, 0xffff),
		asm.JNE.Imm(asm.R8, 0, "checksum"),
		asm.Mov.Imm(asm.R8, 0xffff),
		asm.HostTo(asm.BE, asm.R8, asm.Half).WithSymbol("checksum"),
		asm.StoreMem(asm.R2, int16(t.srcPort+6), asm.R8, asm.Half),

		asm.Add.Imm(asm.R7, DefaultSrcPort),
		asm.HostTo(asm.BE, asm.R7, asm.Half),
		asm.StoreMem(asm.R2, int16(t.srcPort), asm.R7, asm.Half),
	}
}
