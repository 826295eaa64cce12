package httpd

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/xdpstack/xdpstack/umem"
)

// file is what a name stands for: its head's parts, and its content or an open file. A cached
// one belongs to one worker; it is not changed, but for the Date of its response.
type file struct {
	size     int64
	mtime    time.Time // in whole seconds, as a Last-Modified has it
	stamp    time.Time // as the file system has it
	ctype    string
	modified string // Last-Modified
	etag     string

	data   []byte   // of a small file
	handle *os.File // of a large one, its user's to close

	// The response to a plain GET, with the date of the second that it was sent in last.
	response []byte
	head     int // octets of response before the content
	dateAt   int
	second   int64

	key     string // in the cache
	checked umem.Time
	used    bool // since the cache's hand came by
}

// newFile describes a file; its content is filled in by who reads it.
func newFile(name string, info os.FileInfo) *file {
	stamp := info.ModTime()
	return &file{
		size: info.Size(), stamp: stamp, mtime: stamp.Truncate(time.Second),
		ctype: typeOf(name), modified: stamp.UTC().Format(http.TimeFormat),
		etag: fmt.Sprintf(`W/"%x-%x"`, stamp.UnixNano(), info.Size()),
	}
}

// same: the file system says that nothing has changed.
func (f *file) same(info os.FileInfo) bool {
	return f.size == info.Size() && f.stamp.Equal(info.ModTime())
}

// compose makes up the response to a plain GET. content is laid behind its head,
// so that both leave by one Send.
func (f *file) compose(content []byte) {
	head, dateAt := f.appendHead(nil, 200, window{0, f.size}, placeholder, "")
	f.head, f.dateAt, f.second = len(head), dateAt, -1
	f.response = append(head, content...)
	f.data = f.response[f.head:]
}

// dated is the response with the date.
func (f *file) dated(d *date) []byte {
	if f.second != d.second {
		f.second = d.second
		copy(f.response[f.dateAt:], d.text[:])
	}
	return f.response
}

// appendHead appends the head of a response of f with a status of 200, 206 or 304, its last line
// included, and says where the date is in it. connection is a field line, or nothing.
func (f *file) appendHead(b []byte, status int, w window, date []byte, connection string) (head []byte, dateAt int) {
	b, dateAt = appendStatus(b, status, date, connection)
	if status != 304 {
		b = append(append(b, "Content-Type: "...), f.ctype...)
		b = strconv.AppendInt(append(b, "\r\nContent-Length: "...), w.to-w.from, 10)
		b = append(b, "\r\n"...)
	}
	if status == 206 {
		b = strconv.AppendInt(append(b, "Content-Range: bytes "...), w.from, 10)
		b = strconv.AppendInt(append(b, '-'), w.to-1, 10)
		b = strconv.AppendInt(append(b, '/'), f.size, 10)
		b = append(b, "\r\n"...)
	}
	b = append(append(b, "Last-Modified: "...), f.modified...)
	b = append(append(b, "\r\nETag: "...), f.etag...)
	return append(b, "\r\nAccept-Ranges: bytes\r\n\r\n"...), dateAt
}

// appendStatus begins a response: its first line, Date, and Connection if need be.
func appendStatus(b []byte, status int, date []byte, connection string) (head []byte, dateAt int) {
	b = strconv.AppendInt(append(b, "HTTP/1.1 "...), int64(status), 10)
	b = append(append(b, ' '), http.StatusText(status)...)
	b = append(b, "\r\nDate: "...)
	dateAt = len(b)
	b = append(append(b, date...), "\r\n"...)
	return append(b, connection...), dateAt
}

// placeholder is as long as a date.
var placeholder = []byte(http.TimeFormat)

// date is the time as the Date field has it, renewed once a second.
type date struct {
	text   [len(http.TimeFormat)]byte
	second int64     // of the Unix epoch
	next   umem.Time // when it must be renewed
}

// renew brings the date up to now. wall is the machine's clock.
func (d *date) renew(now umem.Time, wall func() time.Time) {
	if now < d.next {
		return
	}
	t := wall()
	d.next = now + umem.Second - umem.Time(t.Nanosecond())
	d.second = t.Unix()
	t.UTC().AppendFormat(d.text[:0], http.TimeFormat)
}
