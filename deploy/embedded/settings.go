package embedded

import (
	"encoding/xml"
	"fmt"
	"os"
	"strings"
)

// configXML is the server's configuration: what %s stand for is escaped. Pools and caches fit two cores and a demo.
const configXML = `<clickhouse>
  <users_config>%s</users_config>
  <logger><level>warning</level><log>%s</log><errorlog>%s</errorlog><size>10M</size><count>3</count></logger>
  <timezone>UTC</timezone>
  <max_server_memory_usage>%d</max_server_memory_usage>
  <mark_cache_size>67108864</mark_cache_size>
  <uncompressed_cache_size>0</uncompressed_cache_size>
  <keep_alive_timeout>60</keep_alive_timeout>
  <background_pool_size>4</background_pool_size>
  <background_schedule_pool_size>8</background_schedule_pool_size>
</clickhouse>
`

// usersXML has default, for ourselves on loopback (the engine's own session needs it without a password), and reader, for whoever
// comes through the proxy.
const usersXML = `<clickhouse>
  <users>
    <default><password></password><profile>default</profile><quota>default</quota><networks><ip>127.0.0.1</ip><ip>::1</ip></networks></default>
    <reader><password></password><profile>reader</profile><quota>default</quota><networks><ip>127.0.0.1</ip><ip>::1</ip></networks>
      <grants><query>GRANT SELECT ON pos.*</query></grants></reader>
  </users>
  <profiles>
    <default><log_queries>0</log_queries></default>
    <reader><readonly>2</readonly><log_queries>0</log_queries><max_memory_usage>2000000000</max_memory_usage><max_execution_time>60</max_execution_time></reader>
  </profiles>
  <quotas><default></default></quotas>
</clickhouse>
`

func (e *Engine) writeConfig() error {
	if err := os.MkdirAll(e.path("data"), 0o700); err != nil {
		return err
	}
	for name, text := range map[string]string{
		"config.xml": fmt.Sprintf(configXML, escaped(e.path("users.xml")), escaped(e.path("clickhouse.log")), escaped(e.path("clickhouse.err.log")), e.cfg.MemoryBytes),
		"users.xml":  usersXML,
		"start.sql":  "SYSTEM START LISTEN HTTP;\nSYSTEM START LISTEN TCP;\n",
	} {
		if err := os.WriteFile(e.path(name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func escaped(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a strings.Builder takes everything
	return b.String()
}
