package httpd

import (
	"bytes"
	"net/http"
)

// notModified evaluates If-None-Match, and only without it If-Modified-Since
// (RFC 9110 section 13.2.2).
func notModified(r *request, head []byte, f *file) bool {
	if !r.noneMatch.empty() {
		return anyTag(r.noneMatch.of(head), f.etag)
	}
	if r.modified.empty() {
		return false
	}
	value := r.modified.of(head)
	if string(value) == f.modified { // what we sent, given back
		return true
	}
	since, err := http.ParseTime(string(value))
	return err == nil && !f.mtime.After(since)
}

// anyTag compares a list of entity tags with one of ours, weakly (RFC 9110 section
// 8.8.3.2). Ours has no comma.
func anyTag(list []byte, ours string) bool {
	for len(list) > 0 {
		tag := list
		if i := bytes.IndexByte(list, ','); i >= 0 {
			tag, list = list[:i], list[i+1:]
		} else {
			list = nil
		}
		tag = bytes.Trim(tag, " \t")
		if string(tag) == "*" || opaque(tag) == ours[len("W/"):] {
			return true
		}
	}
	return false
}

func opaque(tag []byte) string { return string(bytes.TrimPrefix(tag, []byte("W/"))) }

// window is the part of a file that a response carries.
type window struct{ from, to int64 }

// rangeOf evaluates Range and If-Range (RFC 9110 sections 13.1.5 and 14.2). The verdict is 206
// with the part, 416, or 200: no range, several of them, or one that is not to be understood.
func rangeOf(r *request, head []byte, f *file) (window, int) {
	whole := window{0, f.size}
	if r.ranges.empty() || r.method != methodGet {
		return whole, 200
	}
	// Our tags are weak, and no weak tag matches here; a date does as it was given.
	if !r.ifRange.empty() && string(r.ifRange.of(head)) != f.modified {
		return whole, 200
	}
	value := r.ranges.of(head)
	const unit = "bytes="
	if len(value) < len(unit) || !equalFold(value[:len(unit)], unit) {
		return whole, 200
	}
	first, last, ok := bytes.Cut(bytes.Trim(value[len(unit):], " \t"), []byte("-"))
	if !ok {
		return whole, 200
	}
	return rangeSpec(first, last, f.size)
}

// rangeSpec reads FIRST-LAST, FIRST- and -COUNT.
func rangeSpec(first, last []byte, size int64) (window, int) {
	from, ok1 := decimal(first)
	to, ok2 := decimal(last)
	whole := window{0, size}
	switch {
	case !ok1 && len(first) > 0, !ok2 && len(last) > 0, !ok1 && !ok2, ok1 && ok2 && to < from:
		return whole, 200
	case !ok1 && to == 0, ok1 && from >= size:
		return whole, 416
	case !ok1:
		return window{max(0, size-to), size}, 206
	case !ok2:
		return window{from, size}, 206
	}
	return window{from, min(to+1, size)}, 206
}
