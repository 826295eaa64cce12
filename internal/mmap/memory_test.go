package mmap

import (
	"bytes"
	"errors"
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

func TestMemoryIsZeroPageAlignedAndPresent(t *testing.T) {
	m, err := New("xdpstack-test", 3*os.Getpagesize()+1, Normal)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	b := m.Bytes()
	if want := 4 * os.Getpagesize(); len(b) != want {
		t.Fatalf("%d bytes, want %d", len(b), want)
	}
	if at := uintptr(unsafe.Pointer(&b[0])); at%uintptr(os.Getpagesize()) != 0 {
		t.Errorf("memory at %#x is not on a page boundary", at)
	}
	if !bytes.Equal(b, make([]byte, len(b))) {
		t.Error("memory is not zero")
	}
	present := make([]byte, 4)
	_, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), uintptr(unsafe.Pointer(&present[0])))
	if errno != 0 {
		t.Fatal(errno)
	}
	for i, p := range present {
		if p&1 == 0 {
			t.Errorf("page %d is not present", i)
		}
	}
}

func TestMemoryIsSharedThroughItsDescriptor(t *testing.T) {
	m, err := New("xdpstack-test", 4096, Normal)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	other, err := Shared(m.FD(), 0, len(m.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	defer Unmap(other)
	copy(m.Bytes(), "seen")
	if string(other[:4]) != "seen" {
		t.Error("the second mapping shows other memory")
	}
}

// Whether there are huge pages or not, one of the two outcomes must be complete.
func TestHugePagesOrTheReason(t *testing.T) {
	m, err := New("xdpstack-test", HugePage+1, Huge)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	t.Logf("huge %v, reason %v", m.Huge(), m.Reason())
	if m.Huge() != (m.Reason() == nil) {
		t.Errorf("huge %v with reason %v", m.Huge(), m.Reason())
	}
	if m.Huge() && len(m.Bytes()) != 2*HugePage {
		t.Errorf("%d bytes of huge pages, want %d", len(m.Bytes()), 2*HugePage)
	}
	if len(m.Bytes()) < HugePage+1 {
		t.Errorf("%d bytes, want %d at least", len(m.Bytes()), HugePage+1)
	}
	m.Bytes()[HugePage] = 1
}

func TestErrors(t *testing.T) {
	if _, err := New("xdpstack-test", 0, Normal); !errors.Is(err, ErrSize) {
		t.Errorf("size 0: %v", err)
	}
	if _, err := Shared(-1, 0, 4096); !errors.Is(err, unix.EBADF) {
		t.Errorf("no descriptor: %v", err)
	}
	if err := Unmap(nil); err != nil {
		t.Errorf("nothing to unmap: %v", err)
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	before := descriptors(t)
	m, err := New("xdpstack-test", 4096, Normal)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
