// Package services has what "xdpstack run" can serve on a Host: the small services
// of RFC 862 to 864, what a newcomer talks to first and what measurements talk to, and
// HTTP in two ways.
//
//	echo     UDP and TCP 7   gives back what comes, in the frame that it came in
//	discard  UDP and TCP 9   takes what comes
//	chargen  UDP and TCP 19  answers a datagram with a line or so of characters, a connection without end
//	http     TCP 80          files of a folder, by package httpd on the event API
//	go-http  TCP 8080        the same by net/http on a net.Listener
//
// A service is asked for as NAME, NAME=ADDRESS or NAME=ADDRESS,FOLDER (Parse).
//
// Echo over TCP forwards each segment to the connection that it came on, so its window opens when
// the peer has acknowledged the echo: who does not read is not read from. A
// datagram's answer never exceeds the length that RFC 864 allows, 512 octets, and goes
// only to who asked; a reply that would go to one of these ports is not sent,
// since two such services can keep each other busy for ever (CERT CA-1996-01).
//
// Read first: RFC 862, RFC 863, RFC 864; package httpd.
package services
