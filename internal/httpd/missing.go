package httpd

import (
	"bytes"
	"errors"
	"io/fs"
	"syscall"
)

// missing answers for a path that there is no file for.
func (c *conn) missing(path []byte, err error) {
	switch {
	case errors.Is(err, errFolder):
		// One slash: "//name/" would name another host (RFC 3986 section 4.2).
		c.failWith(301, "Location: /"+string(bytes.TrimLeft(path, "/"))+"/\r\n")
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ENOMEM):
		c.unavailable()
	case errors.Is(err, syscall.EIO), errors.Is(err, fs.ErrClosed):
		c.fail(500)
	case errors.Is(err, fs.ErrPermission):
		c.fail(403)
	default: // none there, a name too long, a way out of the folder
		c.fail(404)
	}
}
