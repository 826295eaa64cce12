package httpd

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"
)

// What the disk's goroutines take on.
const (
	readers  = 4         // goroutines
	waiting  = 4096      // jobs that wait for one; one more is answered by 503
	piece    = 128 << 10 // octets of a large file, at most, that are read at once
	pieceMin = 16 << 10  // at least, lest small room make small reads
	pieces   = 16        // buffers
)

// errFolder: the name is a folder's, and lacks its slash.
var errFolder = errors.New("a folder")

// job is something to do on the disk for one connection: opening, where name is set,
// or reading on.
type job struct {
	name   string
	known  *file // what name stood for a while ago
	file   *file // opened; or to be read
	offset int64
	length int
	buf    []byte // what was read; to be given back by release
	err    error

	back returner
}

// returner hears, on a goroutine of the disk's, that a job is done, and has its worker go on.
// False: it cannot any more.
type returner interface{ jobDone() bool }

// disk opens and reads files, where that may block.
type disk struct {
	root    *os.Root
	jobs    chan *job
	buffers chan []byte
	running sync.WaitGroup
}

func newDisk(root *os.Root) *disk {
	d := &disk{root: root, jobs: make(chan *job, waiting), buffers: make(chan []byte, pieces)}
	for range pieces {
		d.buffers <- nil // made when they are needed first
	}
	d.running.Add(readers)
	for range readers {
		go d.serve()
	}
	return d
}

// submit does not wait. False: too much waits already.
func (d *disk) submit(j *job) bool {
	select {
	case d.jobs <- j:
		return true
	default:
		return false
	}
}

// close ends the goroutines when what waits is done. No submit may follow.
func (d *disk) close() error {
	close(d.jobs)
	d.running.Wait()
	return d.root.Close()
}

func (d *disk) serve() {
	defer d.running.Done()
	for j := range d.jobs {
		d.run(j)
		if !j.back.jobDone() { // nobody is left to take the result
			d.abandon(j)
		}
	}
}

func (d *disk) run(j *job) {
	if j.name != "" {
		j.file, j.err = d.open(j.name, j.known)
		return
	}
	b := <-d.buffers
	if b == nil {
		b = make([]byte, piece)
	}
	var n int
	n, j.err = j.file.handle.ReadAt(b[:min(j.length, piece)], j.offset)
	if n > 0 {
		j.err = nil
	}
	j.buf = b[:n]
}

// release gives back what was read.
func (d *disk) release(j *job) {
	if j.buf != nil {
		d.buffers <- j.buf[:cap(j.buf)] // as many buffers as the channel holds
		j.buf = nil
	}
}

// abandon frees what the job holds.
func (d *disk) abandon(j *job) {
	d.release(j)
	if j.file != nil && j.file.handle != nil {
		_ = j.file.handle.Close()
		j.file = nil
	}
}

// open returns what the name stands for: known, when that has not changed; a new
// file with its content, or open when it is large.
func (d *disk) open(name string, known *file) (*file, error) {
	// Without O_NONBLOCK opening a FIFO waits for its writer.
	h, err := d.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	f, err := load(h, name, known)
	if err != nil || f.handle == nil {
		_ = h.Close()
	}
	return f, err
}

func load(h *os.File, name string, known *file) (*file, error) {
	info, err := h.Stat()
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, errFolder
	case !info.Mode().IsRegular():
		return nil, fs.ErrPermission
	case known != nil && known.same(info):
		return known, nil
	}
	f := newFile(name, info)
	if f.size > cachedFile {
		f.handle = h
		return f, nil
	}
	content := make([]byte, f.size)
	if _, err := io.ReadFull(h, content); err != nil {
		return nil, err
	}
	f.compose(content)
	return f, nil
}
