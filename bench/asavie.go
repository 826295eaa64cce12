package bench

import "fmt"

func (r *rig) openAsavie(j *job) error { return fmt.Errorf("x") }
