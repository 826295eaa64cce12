// Package services has the small services of RFC 862 to 864 on a Host: what a
// newcomer talks to first, and what measurements talk to.
//
//	echo     UDP 7   gives every datagram back, in the frame that it came in
//	discard  UDP 9   takes every datagram
//	chargen  UDP 19  answers every datagram with a line or so of characters
//
// An answer never exceeds the length that RFC 864 allows, 512 octets, and goes
// only to who asked; a reply that would go to one of these ports is not sent,
// since two such services can keep each other busy for ever (CERT CA-1996-01).
//
// Read first: RFC 862, RFC 863, RFC 864.
package services
