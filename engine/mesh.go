package engine

import (
	"fmt"

	"github.com/xdpstack/xdpstack/engine/spsc"
	"github.com/xdpstack/xdpstack/umem"
)

// MeshConfig bounds a Mesh. Sizes are powers of two; zero means the default.
type MeshConfig struct {
	Workers int
	Frames  int // slots of a ring of frames from one worker to another, and of the ring home: 1024
	Notes   int // slots of a ring of notes: 256
}

// A Mesh joins the workers of a host: for each two of them, and each way, a ring
// of frames handed off, a ring of frames going home, and a ring of notes. Each has one
// producer and one consumer. A full ring never waits: a frame is dropped and counted, a
// note refused, a frame on its way home stays with the borrower.
type Mesh struct {
	workers []*Worker
	frames  [][]*spsc.Ring[*umem.Frame] // [from][to]
	homes   [][]*spsc.Ring[*umem.Frame]
	notes   [][]*spsc.Ring[Note]
}

// NewMesh makes the rings. Its workers join by their WorkerConfig.
func NewMesh(cfg MeshConfig) (*Mesh, error) {
	n := cfg.Workers
	if n < 1 || n > umem.MaxWorkers {
		return nil, fmt.Errorf("engine: a mesh of %d workers: 1 to %d are possible", n, umem.MaxWorkers)
	}
	m := &Mesh{workers: make([]*Worker, n)}
	var err error
	if m.frames, err = square[*umem.Frame](n, orDefault(cfg.Frames, 1024)); err != nil {
		return nil, fmt.Errorf("engine: MeshConfig.Frames: %w", err)
	}
	if m.homes, err = square[*umem.Frame](n, orDefault(cfg.Frames, 1024)); err != nil {
		return nil, fmt.Errorf("engine: MeshConfig.Frames: %w", err)
	}
	if m.notes, err = square[Note](n, orDefault(cfg.Notes, 256)); err != nil {
		return nil, fmt.Errorf("engine: MeshConfig.Notes: %w", err)
	}
	return m, nil
}

func orDefault(n, otherwise int) int {
	if n == 0 {
		return otherwise
	}
	return n
}

// square makes a ring from each of n workers to each other.
func square[T any](n, size int) ([][]*spsc.Ring[T], error) {
	rows := make([][]*spsc.Ring[T], n)
	for i := range rows {
		rows[i] = make([]*spsc.Ring[T], n)
		for j := range rows[i] {
			if i == j {
				continue
			}
			r, err := spsc.New[T](size)
			if err != nil {
				return nil, err
			}
			rows[i][j] = r
		}
	}
	return rows, nil
}

// Workers is how many workers the mesh was made for.
func (m *Mesh) Workers() int { return len(m.workers) }

// ready reports whether anything is on its way to a worker.
func (m *Mesh) ready(to int) bool {
	for from := range m.workers {
		if from != to && m.frames[from][to].Len()+m.homes[from][to].Len()+m.notes[from][to].Len() > 0 {
			return true
		}
	}
	return false
}

// Settle brings frames that are on their way to another worker, or freed there, home to
// their pools, and returns how many. It is for the end: no worker may be running. A frame that a
// program still holds stays where it is.
func (m *Mesh) Settle() int {
	for _, w := range m.workers {
		if w != nil {
			w.refuse()
		}
	}
	n := 0
	for {
		for _, w := range m.workers {
			if w != nil {
				w.sendHome()
			}
		}
		moved := 0
		for _, w := range m.workers {
			for from := range m.workers {
				if w != nil && from != w.cfg.ID {
					moved += w.takeHome(from)
				}
			}
		}
		if moved == 0 {
			return n
		}
		n += moved
	}
}
