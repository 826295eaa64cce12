// Package httpd is an HTTP/1.1 server of files on the event API of a Host: one
// handler for each connection, run by the connection's worker, no goroutine.
//
//	Server    a listener on every worker, a folder (os.Root), goroutines for the disk
//	  worker  what the connections of one core share: cache, date, scratch, hashes
//	  handler a connection at the event API: segments in, held back when conn is not ready
//	    conn  a connection as HTTP sees it: octets in, responses out; knows no segment
//	      parser   the head of a request, in place, whatever way it was cut
//	      body     its body: Content-Length or chunks
//	      file     what answers it: a cached file with its response made up, or an open one
//
// The usual request lies in one segment and asks for a small file: it is parsed
// where it lies, the file is found in the worker's cache, and head and body leave by
// one Send. Nothing is allocated and no clock is read: the head was made when the
// file was, and its Date is renewed once a second.
//
// A worker never touches the disk. Files are opened and read by a few goroutines,
// whose results come back by Worker.Post; files up to 64 KiB stay in the worker's
// cache, larger ones are read in pieces as there is room to send. A file is looked at
// again a second after the last time.
//
// What a connection makes a worker do in one event is bounded (workPerEvent): behind
// it the segments are held, the receive window stays shut for them, and the
// connection goes on by Post when the others had their turn. The same holds
// while a response cannot be sent: Writable goes on.
//
// # What it does
//
// GET and HEAD of files below the folder, index.html of a folder, one range
// (RFC 9110 section 14), If-None-Match, If-Modified-Since and If-Range; PUT /upload,
// answered by the SHA-256 of the body, which is hashed in the frames that it came in;
// keep-alive, pipelining, HTTP/1.0, Expect: 100-continue, chunks.
//
// Never served: what lies outside the folder, also by way of symbolic links, and names that begin with a
// dot, but for .well-known. A path with a segment ".." is malformed here: clients
// resolve these (RFC 3986 section 5.2.4).
//
// # What it does not do
//
// TLS, compression, several ranges in a response (the whole is sent), listings of
// folders, If-Match and If-Unmodified-Since, trailers (read and thrown away).
//
// Read first: RFC 9112 (messages), RFC 9110 (what they mean).
package httpd
