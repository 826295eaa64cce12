package services

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"strings"
	"time"

	"github.com/xdpstack/xdpstack"
)

// Limits of go-http: those of package httpd.
const (
	later         = time.Millisecond // when to try again what could not be posted
	headTimeout   = 10 * time.Second
	idleTimeout   = 75 * time.Second
	stallTimeout  = 20 * time.Second
	maxHead       = 8 << 10
	maxUpload     = 4 << 30
	closeGraceful = 100 * time.Millisecond
)

// startGoHTTP serves the files of a folder by net/http.
func startGoHTTP(h *xdpstack.Host, s Spec) (io.Closer, error) {
	root, err := os.OpenRoot(s.Dir)
	if err != nil {
		return nil, fmt.Errorf("folder: %w", err)
	}
	l, err := h.Listen("tcp", s.Address)
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	srv := &http.Server{
		Handler:           newMux(root.FS()),
		ReadHeaderTimeout: headTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHead,
	}
	g := &goHTTP{srv: srv, root: root, ended: make(chan error, 1)}
	go func() { g.ended <- srv.Serve(l) }()
	return g, nil
}

// goHTTP is a server of net/http under way.
type goHTTP struct {
	srv   *http.Server
	root  *os.Root
	ended chan error
}

// Close implements io.Closer: connections that are idle end in order, others are reset after a moment.
func (g *goHTTP) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeGraceful)
	defer cancel()
	err := g.srv.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = g.srv.Close()
	}
	if served := <-g.ended; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return errors.Join(err, g.root.Close())
}

func newMux(files fs.FS) http.Handler {
	mux := http.NewServeMux()
	serve := http.FileServerFS(visible{files})
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		serve.ServeHTTP(patientWriter{w, http.NewResponseController(w)}, r)
	})
	mux.HandleFunc("PUT /upload", digestUpload)
	return mux
}

// patientWriter allows each write its time: a client may be slow, but not stand still.
type patientWriter struct {
	http.ResponseWriter
	control *http.ResponseController
}

// Write implements io.Writer.
func (w patientWriter) Write(b []byte) (int, error) {
	_ = w.control.SetWriteDeadline(time.Now().Add(stallTimeout))
	return w.ResponseWriter.Write(b)
}

// patientReader is the same for a body.
type patientReader struct {
	io.Reader
	control *http.ResponseController
}

// Read implements io.Reader.
func (r patientReader) Read(b []byte) (int, error) {
	_ = r.control.SetReadDeadline(time.Now().Add(stallTimeout))
	return r.Reader.Read(b)
}

// digestUpload answers with the SHA-256 of the body.
func digestUpload(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength > maxUpload {
		refuse(w, http.StatusRequestEntityTooLarge)
		return
	}
	hash := sha256.New()
	body := patientReader{http.MaxBytesReader(w, r.Body, maxUpload), http.NewResponseController(w)}
	_, err := io.Copy(hash, body)
	var tooLarge *http.MaxBytesError
	status := http.StatusOK
	switch {
	case errors.As(err, &tooLarge):
		status = http.StatusRequestEntityTooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		status = http.StatusRequestTimeout
	case err != nil:
		status = http.StatusBadRequest
	}
	if status != http.StatusOK {
		refuse(w, status)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintf(w, "%x\n", hash.Sum(nil))
}

// refuse answers a body that is not taken to its end, and ends the connection.
func refuse(w http.ResponseWriter, status int) {
	w.Header().Set("Connection", "close")
	http.Error(w, http.StatusText(status), status)
}

// visible is what package httpd serves of a folder: no names that begin with a dot, no
// listings, nothing outside.
type visible struct{ fs.FS }

// Open implements fs.FS.
func (v visible) Open(name string) (fs.File, error) {
	for part := range strings.SplitSeq(name, "/") {
		if hidden(part) {
			return nil, notThere(name)
		}
	}
	f, err := v.FS.Open(name)
	if errors.Is(err, fs.ErrPermission) {
		return nil, err
	}
	if err != nil {
		return nil, notThere(name) // a symbolic link that leads out too
	}
	if info, err := f.Stat(); err != nil || info.IsDir() && !v.has(path.Join(name, "index.html")) {
		_ = f.Close()
		return nil, notThere(name)
	}
	return f, nil
}

func (v visible) has(name string) bool {
	_, err := fs.Stat(v.FS, name)
	return err == nil
}

func notThere(name string) error {
	return &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

func hidden(name string) bool {
	return strings.HasPrefix(name, ".") && name != "." && name != ".well-known"
}
