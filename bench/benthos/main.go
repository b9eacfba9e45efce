// Command benthos is Benthos 4.27, the last one under the MIT licence and the ancestor of Redpanda Connect, with the components that the comparison uses and
// nothing of our own: what it does stands in the configuration that the harness writes.
package main

import (
	"context"

	_ "github.com/benthosdev/benthos/v4/public/components/io"
	_ "github.com/benthosdev/benthos/v4/public/components/kafka"
	_ "github.com/benthosdev/benthos/v4/public/components/prometheus"
	_ "github.com/benthosdev/benthos/v4/public/components/pure"
	"github.com/benthosdev/benthos/v4/public/service"
)

func main() { service.RunCLI(context.Background()) }
