package lab

import (
	"errors"
	"fmt"
)

// Up makes a lab and returns when packets can flow: links are up, addresses usable. A lab of that name that was abandoned
// (its process was killed) is removed first; one that is in use is ErrInUse. When Up fails, nothing is left of what it made.
// The caller owns the lab and calls Down; Persistent ones may be left to a later Down by name.
func Up(cfg Config) (*Lab, error) { return up(cfg, func(string) {}) }

// up is Up. It calls at with the name of each point that it passes: tests kill it there.
func up(cfg Config, at func(string)) (*Lab, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	l := plan(cfg)
	if err := l.claim(); err != nil {
		return nil, err
	}
	at("claimed")
	err := l.build(at)
	if err == nil {
		at("built")
		err = l.finish()
	}
	if err != nil {
		return nil, errors.Join(err, l.Down())
	}
	at("up")
	return l, nil
}

// claim writes the record that names all that is going to be made.
func (l *Lab) claim() error {
	j, err := openJournal()
	if err != nil {
		return err
	}
	defer j.close()
	old, err := j.read(l.cfg.Name)
	if err != nil {
		return err
	}
	if old != nil {
		err = l.recover(j, old)
	} else if stray := namespacesOf(l.cfg.Name); len(stray) > 0 {
		err = fmt.Errorf("%w: namespaces %q are there without a record; \"xdpstack lab down %s\" removes them", ErrInUse, stray, l.cfg.Name)
	}
	if err != nil {
		return err
	}
	owner := self()
	return j.write(l.record(stateMaking, &owner))
}

func (l *Lab) recover(j *journal, old *record) error {
	name := l.cfg.Name
	switch {
	case old.abandoned():
		l.Recovered = true
		return j.remove(name, old)
	case old.Owner == nil:
		return fmt.Errorf("%w: lab %q is up already; \"xdpstack lab down %s\" removes it", ErrInUse, name, name)
	default:
		return fmt.Errorf("%w: lab %q belongs to process %d, which is running; take another name", ErrInUse, name, old.Owner.PID)
	}
}

func (l *Lab) record(state string, owner *process) *record {
	r := &record{State: state, Owner: owner, Boot: bootID(), Config: l.cfg}
	for _, h := range l.hosts {
		r.Namespaces = append(r.Namespaces, h.namespace)
	}
	return r
}

// build makes everything, in this order: what is written before a link exists holds from its first packet on.
func (l *Lab) build(at func(string)) error {
	for _, h := range l.hosts {
		if err := l.makeHost(h, at); err != nil {
			return err
		}
		at("host " + h.name)
	}
	for _, k := range l.links {
		if err := k.make(l.cfg); err != nil {
			return err
		}
		at("link " + k.description)
	}
	for _, h := range l.hosts {
		if err := l.prepare(h); err != nil {
			return err
		}
		at("prepared " + h.name)
	}
	for _, h := range l.hosts {
		if err := h.number(); err != nil {
			return err
		}
		at("numbered " + h.name)
	}
	return nil
}

func (l *Lab) makeHost(h *Host, at func(string)) error {
	if err := makeNamespace(h.namespace, func() { at("name " + h.name) }); err != nil {
		return err
	}
	return h.Do(func() error { return writeSettings(h == l.hosts[0]) })
}

// finish hands the lab over: to nobody if it is persistent, otherwise to this process.
func (l *Lab) finish() error {
	j, err := openJournal()
	if err != nil {
		return err
	}
	defer j.close()
	if l.cfg.Persistent {
		return j.write(l.record(stateUp, nil))
	}
	owner := self()
	return j.write(l.record(stateUp, &owner))
}

// Open returns the lab of that name, which someone else made, or ErrNotFound.
func Open(name string) (*Lab, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	j, err := openJournal()
	if err != nil {
		return nil, err
	}
	defer j.close()
	r, err := j.read(name)
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, j.notFound(name)
	}
	if r.State != stateUp || r.Boot != bootID() {
		return nil, fmt.Errorf("%w: lab %q is not complete; \"xdpstack lab down %s\" removes what there is", ErrNotFound, name, name)
	}
	l := plan(r.Config)
	for _, h := range l.hosts {
		if err := h.identify(); err != nil {
			return nil, fmt.Errorf("lab %q: %w", name, err)
		}
	}
	return l, nil
}

func (j *journal) notFound(name string) error {
	names, err := j.names()
	if err != nil || len(names) == 0 {
		return fmt.Errorf("%w: no lab %q, nor any other; \"xdpstack lab up %s\" makes it", ErrNotFound, name, name)
	}
	return fmt.Errorf("%w: no lab %q; there is %q", ErrNotFound, name, names)
}
