package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

const namespaceDir = "/run/netns"

func namespacePath(name string) string { return filepath.Join(namespaceDir, name) }

// throwaway runs fn on a thread that ends with it, whatever fn did to that thread.
func throwaway(fn func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			// The main thread cannot end before the process, and /proc/PID/ns shows where it is. While this goroutine
			// holds it, another one gets another thread.
			defer runtime.UnlockOSThread()
			throwaway(fn)
			return
		}
		fn() // not unlocked: the runtime ends the thread with the goroutine
	}()
	<-done
}

// makeNamespace makes a network namespace and binds it to its name, as "ip netns add" does. It calls named in between.
func makeNamespace(name string, named func()) (err error) {
	if err := os.MkdirAll(namespaceDir, 0o755); err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	f, err := os.OpenFile(namespacePath(name), os.O_CREATE|os.O_EXCL|os.O_RDONLY, 0o444)
	if err != nil {
		return fmt.Errorf("lab: namespace: %w", err)
	}
	f.Close()
	named()
	throwaway(func() {
		if err = unix.Unshare(unix.CLONE_NEWNET); err != nil {
			err = fmt.Errorf("lab: namespace %s: %w", name, permission(err))
			return
		}
		if err = unix.Mount("/proc/thread-self/ns/net", namespacePath(name), "", unix.MS_BIND, ""); err != nil {
			err = fmt.Errorf("lab: bind namespace %s: %w", name, permission(err))
		}
	})
	return err
}

func permission(err error) error {
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("%w with CAP_SYS_ADMIN and CAP_NET_ADMIN: %w", ErrPermission, err)
	}
	return err
}

// isNamespace tells a bound namespace from the empty file that a killed makeNamespace leaves.
func isNamespace(path string) bool {
	var st unix.Statfs_t
	return unix.Statfs(path, &st) == nil && st.Type == unix.NSFS_MAGIC
}

// removeNamespace removes a namespace's links and its name. It is no error if there is no such name.
func removeNamespace(name string) error {
	path := namespacePath(name)
	linksErr := removeLinks(path)
	// More than one mount is there if something bound the whole directory on itself; a handful at most.
	for range 8 {
		if unix.Unmount(path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW) != nil {
			break
		}
	}
	err := os.Remove(path)
	if errors.Is(err, unix.EBUSY) {
		err = removeCovered(path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err := errors.Join(linksErr, err); err != nil {
		return fmt.Errorf("lab: remove namespace %s: %w", name, err)
	}
	return nil
}

// removeCovered removes a name whose mount cannot be reached. "ip netns add" binds /run/netns on itself if nobody did
// so before (iproute2, ipnetns.c); a mount made earlier then lies under the new one, and unlink(2) fails with EBUSY. From a mount
// namespace in which the name carries no mount, unlink succeeds and detaches it everywhere (detach_mounts in fs/namespace.c,
// Linux 6.18).
func removeCovered(path string) (err error) {
	throwaway(func() {
		if err = unix.Unshare(unix.CLONE_NEWNS); err != nil {
			return
		}
		if err = unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
			return
		}
		for range 8 {
			if unix.Unmount(filepath.Dir(path), unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW) != nil {
				break
			}
			unix.Unmount(path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
		}
		err = os.Remove(path)
	})
	return err
}

// removeLinks deletes the lab's interfaces in a namespace. The namespace would take them along, but it lives on for as long as a
// process or a socket is in it.
func removeLinks(path string) error {
	if !isNamespace(path) {
		return nil
	}
	h, err := netlinkAt(path)
	if err != nil {
		return err
	}
	defer h.Close()
	links, err := h.LinkList()
	if err != nil {
		return fmt.Errorf("links: %w", err)
	}
	for _, l := range links {
		name := l.Attrs().Name
		if l.Type() != "veth" || !strings.HasPrefix(name, "xs") && !strings.HasPrefix(name, "xp") {
			continue
		}
		if err := h.LinkDel(l); err != nil && !errors.Is(err, unix.ENODEV) {
			return fmt.Errorf("delete %s: %w", name, err)
		}
	}
	return nil
}

// netlinkAt opens a routing socket in a namespace. The caller closes it.
func netlinkAt(path string) (*netlink.Handle, error) {
	ns, err := netns.GetFromPath(path)
	if err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	defer ns.Close()
	h, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("lab: netlink in %s: %w", path, err)
	}
	return h, nil
}

// within runs fn with the calling thread in the namespace, and takes the thread back.
func within(path string, fn func() error) (err error) {
	runtime.LockOSThread()
	home, err := netns.GetFromPath("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("lab: %w", err)
	}
	defer home.Close()
	if err := enter(path); err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer func() { // also when fn panics or ends its goroutine
		if back := netns.Set(home); back != nil {
			// The thread stays locked, and ends with this goroutine: nobody else gets to run in the namespace.
			err = errors.Join(err, fmt.Errorf("lab: leave namespace %s: %w", path, back))
			return
		}
		runtime.UnlockOSThread()
	}()
	return fn()
}

func enter(path string) error {
	ns, err := netns.GetFromPath(path)
	if err != nil {
		return fmt.Errorf("%w: namespace: %w", ErrNotFound, err)
	}
	defer ns.Close()
	if err := netns.Set(ns); err != nil {
		return fmt.Errorf("lab: enter namespace %s: %w", path, permission(err))
	}
	return nil
}
