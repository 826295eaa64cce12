package contender

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/xdpstack/xdpstack/internal/lab"
)

// nginxConfig is for speed: one process, no log, files kept open, connections kept for ever. Its argument is the directory.
const nginxConfig = `
daemon off;
master_process off;
worker_processes 1;
error_log stderr crit;
pid %[1]s/nginx.pid;
events { worker_connections 4096; multi_accept on; }
http {
	access_log off;
	sendfile on;
	tcp_nopush on;
	tcp_nodelay on;
	keepalive_timeout 600s;
	keepalive_requests 1000000000;
	open_file_cache max=100 inactive=600s;
	open_file_cache_valid 600s;
	client_body_temp_path %[1]s/tmp;
	proxy_temp_path %[1]s/tmp;
	fastcgi_temp_path %[1]s/tmp;
	uwsgi_temp_path %[1]s/tmp;
	scgi_temp_path %[1]s/tmp;
	types { text/html html; }
	server { listen %[2]d backlog=1024; root %[1]s; }
}
`

// nginx starts nginx, with the files of dir and its own beside them.
func nginx(ctx context.Context, h *lab.Host, dir string, cpu int) (*Process, error) {
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, fmt.Appendf(nil, nginxConfig, dir, HTTPPort), 0o644); err != nil {
		return nil, fmt.Errorf("contender: nginx: %w", err)
	}
	return start(ctx, h, string(Nginx), "taskset", "-c", strconv.Itoa(cpu), "nginx", "-p", dir, "-c", file)
}
