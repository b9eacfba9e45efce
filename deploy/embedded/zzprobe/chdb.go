package embedded

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
)

// libchdb is the two functions of the library that are needed.
type libchdb struct {
	cmdline func(argc int32, argv unsafe.Pointer) unsafe.Pointer
	failure func(result unsafe.Pointer) unsafe.Pointer
}

// load opens the library.
func load(path string) (l libchdb, err error) {
	defer func() {
		if r := recover(); r != nil { // purego panics where a symbol is missing
			err = fmt.Errorf("loading %s: %v", path, r)
		}
	}()
	lib, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return l, fmt.Errorf("loading %s: %w", path, err)
	}
	purego.RegisterLibFunc(&l.cmdline, lib, "chdb_query_cmdline")
	purego.RegisterLibFunc(&l.failure, lib, "chdb_result_error")
	return l, nil
}

// run runs ClickHouse with the given arguments until it ends. It can be done once in a process.
func (l libchdb) run(args []string) error {
	var pin runtime.Pinner
	defer pin.Unpin()
	argv := make([]*byte, len(args)+1)
	for i, a := range args {
		b := append([]byte(a), 0)
		pin.Pin(&b[0])
		argv[i] = &b[0]
	}
	pin.Pin(&argv[0])
	result := l.cmdline(int32(len(args)), unsafe.Pointer(&argv[0]))
	if result == nil {
		return errors.New("running ClickHouse: no result")
	}
	if msg := goString(l.failure(result)); msg != "" {
		return fmt.Errorf("running ClickHouse: %s", msg)
	}
	return nil
}

func goString(p unsafe.Pointer) string {
	if p == nil {
		return ""
	}
	n := 0
	for *(*byte)(unsafe.Add(p, n)) != 0 {
		n++
	}
	return string(unsafe.Slice((*byte)(p), n))
}
