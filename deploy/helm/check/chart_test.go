// Package check renders the Helm chart as Helm does and looks whether Kubernetes would take what comes of it, and tillstream its configuration.
package check

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"
)

var (
	root = filepath.Join("..", "..", "..")
	dir  = filepath.Join("..", "tillstream")
)

func load(t *testing.T) *chart.Chart {
	t.Helper()
	c, err := loader.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// render gives the objects by kind; values is YAML.
func render(t *testing.T, values string) (map[string][]byte, error) {
	t.Helper()
	c := load(t)
	var given map[string]any
	if err := yaml.Unmarshal([]byte(values), &given); err != nil {
		t.Fatal(err)
	}
	all, err := util.ToRenderValues(c, given, common.ReleaseOptions{Name: "shop", Namespace: "pos", IsInstall: true}, common.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	files, err := engine.Render(c, all)
	if err != nil {
		return nil, err
	}
	objects := map[string][]byte{}
	for name, text := range files {
		for document := range strings.SplitSeq("\n"+text, "\n---\n") {
			var head struct{ Kind string }
			if strings.TrimSpace(document) == "" || strings.HasSuffix(name, ".txt") {
				continue
			}
			if err := yaml.Unmarshal([]byte(document), &head); err != nil {
				t.Fatalf("%s: %v\n%s", name, err, document)
			}
			if head.Kind != "" {
				objects[head.Kind] = []byte(document)
			}
		}
	}
	return objects, nil
}

func into(t *testing.T, objects map[string][]byte, kind string, v any) {
	t.Helper()
	if err := yaml.UnmarshalStrict(objects[kind], v); err != nil || objects[kind] == nil {
		t.Errorf("%s: %v\n%s", kind, err, objects[kind])
	}
}

func TestLint(t *testing.T) {
	for _, m := range lint.RunAll(dir, nil, "pos").Messages {
		if m.Severity > 1 { // an icon is recommended
			t.Error(m)
		}
	}
}

// Everything turned on is strictly what Kubernetes knows, and no pod has more rights than it needs.
func TestObjects(t *testing.T) {
	objects, err := render(t, `
autoscaling: {enabled: true}
metrics: {serviceMonitor: true, rules: true, labels: {release: prometheus}}
secret: {name: s, clickhousePasswordKey: ch, kafkaPasswordKey: k}
serviceAccount: {annotations: {a: b}}
image: {pullSecrets: [{name: registry}]}
podLabels: {team: pos}
podAnnotations: {x: y}
nodeSelector: {a: b}
tolerations: [{operator: Exists}]
priorityClassName: high
networkPolicy: {from: [{namespaceSelector: {}}]}
env: [{name: OTEL_EXPORTER_OTLP_ENDPOINT, value: http://collector:4318}]
volumes: [{name: ca, secret: {secretName: ca}}]
volumeMounts: [{name: ca, mountPath: /ca}]
config: {kafka: {sasl: {mechanism: scram-sha-512, username: u}}}
`)
	if err != nil {
		t.Fatal(err)
	}
	var (
		d       apps.Deployment
		doctor  core.Pod
		service core.Service
		account core.ServiceAccount
		config  core.ConfigMap
		budget  policy.PodDisruptionBudget
		network networking.NetworkPolicy
	)
	into(t, objects, "Deployment", &d)
	into(t, objects, "Pod", &doctor)
	into(t, objects, "Service", &service)
	into(t, objects, "ServiceAccount", &account)
	into(t, objects, "ConfigMap", &config)
	into(t, objects, "PodDisruptionBudget", &budget)
	into(t, objects, "NetworkPolicy", &network)
	for _, spec := range []core.PodSpec{d.Spec.Template.Spec, doctor.Spec} {
		s, c := spec.SecurityContext, spec.Containers[0]
		if s == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot || *s.RunAsUser == 0 || s.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault || *spec.AutomountServiceAccountToken {
			t.Errorf("%+v", s)
		}
		if x := c.SecurityContext; !*x.ReadOnlyRootFilesystem || *x.AllowPrivilegeEscalation || x.Capabilities.Drop[0] != "ALL" {
			t.Errorf("%+v", x)
		}
		if len(c.VolumeMounts) != 3 || len(spec.Volumes) != 3 || spec.ImagePullSecrets[0].Name != "registry" {
			t.Errorf("%+v", spec)
		}
	}
	c := d.Spec.Template.Spec.Containers[0]
	if d.Spec.Replicas != nil || c.Resources.Limits.Memory().IsZero() || c.ReadinessProbe.HTTPGet.Path != "/readyz" || c.LivenessProbe.HTTPGet.Path != "/healthz" || len(c.Env) != 2 || len(d.Spec.Template.Spec.TopologySpreadConstraints) != 2 {
		t.Errorf("%+v", d.Spec)
	}
	for k, v := range d.Spec.Selector.MatchLabels {
		if d.Spec.Template.Labels[k] != v || service.Spec.Selector[k] != v || budget.Spec.Selector.MatchLabels[k] != v || network.Spec.PodSelector.MatchLabels[k] != v {
			t.Errorf("not all select %s=%s", k, v)
		}
	}
	for _, kind := range []string{"ScaledObject", "ServiceMonitor", "PrometheusRule"} {
		if objects[kind] == nil {
			t.Errorf("no %s", kind)
		}
	}
	if !strings.Contains(string(objects["PrometheusRule"]), "{{ $labels.lane }}") {
		t.Error("the rules were taken for a template")
	}
}

// What the chart makes of a configuration is one that tillstream takes.
func TestConfiguration(t *testing.T) {
	objects, err := render(t, "secret: {clickhousePasswordKey: ch, kafkaPasswordKey: k}\nconfig: {kafka: {group: mine, sasl: {mechanism: scram-sha-512, username: u}}, processor: {lanes: 4}}")
	if err != nil {
		t.Fatal(err)
	}
	var config core.ConfigMap
	into(t, objects, "ConfigMap", &config)
	secrets := t.TempDir()
	for _, name := range []string{"pseudonyms", "ch", "k"} {
		if err := os.WriteFile(filepath.Join(secrets, name), []byte("a secret of many bytes"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(t.TempDir(), "tillstream.yaml")
	text := strings.ReplaceAll(config.Data["tillstream.yaml"], "/run/secrets/tillstream", secrets)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	check := exec.CommandContext(t.Context(), "go", "run", "./cmd/tillstream", "config", "print", file)
	check.Dir = root
	out, err := check.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s\n%s", err, out, text)
	}
	for _, want := range []string{"group: mine", "lanes: 4", "listen: 0.0.0.0:9464", "password_file: " + filepath.Join(secrets, "ch"), "username: tillstream"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is not in force", want)
		}
	}
}

// Secrets do not belong into a ConfigMap, and a word that is no key is a slip of the pen.
func TestRefused(t *testing.T) {
	for _, values := range []string{
		"config: {privacy: {secret: x}}", "config: {clickhouse: {password: x}}", "config: {kafka: {sasl: {password: x}}}", "config: {listen: x}",
		"replica: 3", "secret: {name: \"\"}", "image: {digest: latest}", "autoscaling: {minReplicas: 0}",
	} {
		if _, err := render(t, values); err == nil {
			t.Errorf("%s is taken", values)
		}
	}
}
