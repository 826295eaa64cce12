package engine

import "errors"

// Errors of ports and workers, wrapped with what to do about them.
var (
	ErrGone         = errors.New("the device is gone")
	ErrDown         = errors.New("the device is down")
	ErrBusy         = errors.New("the queue is in use")
	ErrNoQueue      = errors.New("no such queue")
	ErrNoDevice     = errors.New("no such device")
	ErrPermission   = errors.New("not permitted")
	ErrNotSupported = errors.New("not supported by kernel or driver")
	ErrNoFrames     = errors.New("too few frames")
)
