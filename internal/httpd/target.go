package httpd

import (
	"path"
	"strings"
)

// resolve turns the path of a target into the name of a file below the folder. The
// verdict is complete or a status code. It allocates: it is for files that are not in the
// cache.
func resolve(raw []byte) (name string, verdict int) {
	decoded, ok := unescape(raw)
	if !ok {
		return "", 400
	}
	kept := make([]string, 0, 8)
	for segment := range strings.SplitSeq(decoded, "/") {
		switch {
		case segment == "" || segment == ".":
		case segment == "..": // clients resolve these: RFC 3986 section 5.2.4
			return "", 400
		case segment[0] == '.' && segment != ".well-known": // RFC 8615
			return "", 404
		default:
			kept = append(kept, segment)
		}
	}
	if decoded == "" || decoded[len(decoded)-1] == '/' {
		kept = append(kept, "index.html")
	}
	if len(kept) == 0 {
		return "", 404
	}
	return path.Join(kept...), complete
}

// unescape decodes what is percent-encoded (RFC 3986 section 2.1). No file's name has a NUL.
func unescape(raw []byte) (string, bool) {
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c == '%' {
			if i+2 >= len(raw) {
				return "", false
			}
			high, ok1 := hexDigit(raw[i+1])
			low, ok2 := hexDigit(raw[i+2])
			if c = high<<4 | low; !ok1 || !ok2 || c == 0 {
				return "", false
			}
			i += 2
		}
		out = append(out, c)
	}
	return string(out), true
}

// typeOf is the media type that a name's extension stands for. The table is
// in the program: what is served does not depend on the machine's.
func typeOf(name string) string {
	if t, ok := types[strings.ToLower(path.Ext(name))]; ok {
		return t
	}
	return "application/octet-stream"
}

var types = map[string]string{
	".avif":  "image/avif",
	".css":   "text/css; charset=utf-8",
	".csv":   "text/csv; charset=utf-8",
	".gif":   "image/gif",
	".gz":    "application/gzip",
	".htm":   "text/html; charset=utf-8",
	".html":  "text/html; charset=utf-8",
	".ico":   "image/vnd.microsoft.icon",
	".jpeg":  "image/jpeg",
	".jpg":   "image/jpeg",
	".js":    "text/javascript; charset=utf-8",
	".json":  "application/json",
	".md":    "text/markdown; charset=utf-8",
	".mjs":   "text/javascript; charset=utf-8",
	".mp3":   "audio/mpeg",
	".mp4":   "video/mp4",
	".pdf":   "application/pdf",
	".png":   "image/png",
	".svg":   "image/svg+xml",
	".tar":   "application/x-tar",
	".txt":   "text/plain; charset=utf-8",
	".wasm":  "application/wasm",
	".webm":  "video/webm",
	".webp":  "image/webp",
	".woff":  "font/woff",
	".woff2": "font/woff2",
	".xml":   "text/xml; charset=utf-8",
	".yaml":  "application/yaml",
	".zip":   "application/zip",
}
