package afxdp

import "golang.org/x/sys/unix"

// faulty is the real kernel, but where it is told otherwise.
type faulty struct {
	linux
	socketErr error
	setErr    map[int]error // by option of SOL_XDP
	bindErr   func(*unix.SockaddrXDP) error
	zeroCopy  bool // what XDP_OPTIONS tells
	mapErr    error
	mapAfter  int // so many mappings succeed first
}

func (f *faulty) socket() (int, error) {
	if f.socketErr != nil {
		return -1, f.socketErr
	}
	return f.linux.socket()
}

func (f *faulty) setsockopt(fd, level, name int, value []byte) error {
	if err := f.setErr[name]; level == unix.SOL_XDP && err != nil {
		return err
	}
	return f.linux.setsockopt(fd, level, name, value)
}

func (f *faulty) getsockopt(fd, level, name int, value []byte) (int, error) {
	if f.zeroCopy && level == unix.SOL_XDP && name == unix.XDP_OPTIONS {
		value[0] |= unix.XDP_OPTIONS_ZEROCOPY
		return len(value), nil
	}
	return f.linux.getsockopt(fd, level, name, value)
}

func (f *faulty) mapRing(fd int, offset int64, size int) ([]byte, error) {
	if f.mapAfter--; f.mapErr != nil && f.mapAfter < 0 {
		return nil, f.mapErr
	}
	return f.linux.mapRing(fd, offset, size)
}

func (f *faulty) bind(fd int, a *unix.SockaddrXDP) error {
	if f.bindErr != nil {
		if err := f.bindErr(a); err != nil {
			return err
		}
	}
	return f.linux.bind(fd, a)
}
