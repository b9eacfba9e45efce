package agreement

import "github.com/tillstream/tillstream/processor/registry"

func (r *Resolved) complete(b Book, i int, on registry.Date) []error { return nil }
