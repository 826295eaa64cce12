package ip

import (
	"errors"
	"fmt"
)

// MaxRoutes bounds a routing table: it is searched in order, which is the
// fastest there is for so few.
const MaxRoutes = 64

// ErrRoutes is what NewRoutes wraps.
var ErrRoutes = errors.New("ip: bad routing table")

// Route is an entry of the routing table.
type Route struct {
	Dst   Prefix
	Via   Addr // the next hop; zero when Dst is on link
	Iface uint8
}

// Hop is the neighbour to which a packet for dst goes.
func (r *Route) Hop(dst Addr) Addr {
	if r.Via == (Addr{}) {
		return dst
	}
	return r.Via
}

// Routes is a routing table, longest prefix first; of equal prefixes the one
// that was given first counts.
type Routes struct {
	routes []route
}

// route has the mask worked out.
type route struct {
	mask Addr
	v4   bool
	Route
}

// NewRoutes sorts routes. The destinations' families and those of the next hops
// must agree.
func NewRoutes(routes []Route) (Routes, error) {
	if len(routes) > MaxRoutes {
		return Routes{}, fmt.Errorf("%w: %d routes; at most %d fit", ErrRoutes, len(routes), MaxRoutes)
	}
	t := Routes{routes: make([]route, 0, len(routes))}
	for _, r := range routes {
		if r.Via != (Addr{}) && r.Via.Is4() != r.Dst.Addr.Is4() {
			return Routes{}, fmt.Errorf("%w: %v via %v: the families differ", ErrRoutes, r.Dst.Addr, r.Via)
		}
		i := len(t.routes)
		t.routes = append(t.routes, route{})
		for ; i > 0 && t.routes[i-1].Dst.Bits < r.Dst.Bits; i-- {
			t.routes[i] = t.routes[i-1]
		}
		t.routes[i] = route{mask: r.Dst.mask(), v4: r.Dst.Addr.Is4(), Route: r}
	}
	return t, nil
}

// Lookup finds the route with the longest prefix that holds dst, or nil.
func (t *Routes) Lookup(dst Addr) *Route {
	v4 := dst.Is4()
	for i := range t.routes {
		r := &t.routes[i]
		if r.v4 == v4 && (dst.Hi^r.Dst.Addr.Hi)&r.mask.Hi == 0 && (dst.Lo^r.Dst.Addr.Lo)&r.mask.Lo == 0 {
			return &r.Route
		}
	}
	return nil
}

// Len is the number of routes.
func (t *Routes) Len() int { return len(t.routes) }
