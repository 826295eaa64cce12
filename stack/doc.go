// Package stack placeholder.
package stack
