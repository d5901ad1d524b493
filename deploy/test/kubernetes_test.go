package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	policy "k8s.io/api/policy/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// manifests are the objects of a kustomization.
type manifests struct {
	folder     string
	deployment *apps.Deployment
	service    *core.Service
	disruption *policy.PodDisruptionBudget
	scaling    *autoscaling.HorizontalPodAutoscaler
	config     *core.ConfigMap // nil: none
}

// build returns what kubectl apply -k sends. Each object is decoded strictly: a field that Kubernetes does not know is
// an error.
func build(t *testing.T, folder string) *manifests {
	t.Helper()
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join("../kubernetes", folder))
	if err != nil {
		t.Fatal(err)
	}
	m := &manifests{folder: folder}
	for _, resource := range built.Resources() {
		text, err := resource.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		var into any
		switch kind := resource.GetKind(); kind {
		case "Deployment":
			m.deployment = &apps.Deployment{}
			into = m.deployment
		case "Service":
			m.service = &core.Service{}
			into = m.service
		case "PodDisruptionBudget":
			m.disruption = &policy.PodDisruptionBudget{}
			into = m.disruption
		case "HorizontalPodAutoscaler":
			m.scaling = &autoscaling.HorizontalPodAutoscaler{}
			into = m.scaling
		case "ConfigMap":
			m.config = &core.ConfigMap{}
			into = m.config
		default:
			t.Fatalf("%s: no test knows %s", folder, kind)
		}
		if err := yaml.UnmarshalStrict(text, into); err != nil {
			t.Errorf("%s: %s: %v", folder, resource.GetKind(), err)
		}
	}
	if m.deployment == nil || m.service == nil || m.disruption == nil || m.scaling == nil {
		t.Fatalf("%s: an object is missing", folder)
	}
	return m
}

// eachKustomization runs a test for the base and for the gateway.
func eachKustomization(t *testing.T, test func(t *testing.T, m *manifests)) {
	for _, folder := range []string{"base", "gateway"} {
		t.Run(folder, func(t *testing.T) { test(t, build(t, folder)) })
	}
}

func (m *manifests) container() *core.Container {
	return &m.deployment.Spec.Template.Spec.Containers[0]
}

// flag returns the value of a flag of the container.
func (m *manifests) flag(t *testing.T, name string) string {
	t.Helper()
	value := find(m.container().Args, "--"+name+"=")
	if value == "" {
		t.Fatalf("%s: the container has no --%s", m.folder, name)
	}
	return strings.TrimPrefix(value, "--"+name+"=")
}

// port returns the number of the port of the container with that name, or 0.
func (m *manifests) port(name string) int {
	for _, p := range m.container().Ports {
		if p.Name == name {
			return int(p.ContainerPort)
		}
	}
	return 0
}

// TestSelectors: the objects mean the Pods of this Deployment.
func TestSelectors(t *testing.T) {
	eachKustomization(t, func(t *testing.T, m *manifests) {
		labels := m.deployment.Spec.Template.Labels
		selectors := map[string]map[string]string{
			"Deployment":          m.deployment.Spec.Selector.MatchLabels,
			"Service":             m.service.Spec.Selector,
			"PodDisruptionBudget": m.disruption.Spec.Selector.MatchLabels,
		}
		for _, spread := range m.deployment.Spec.Template.Spec.TopologySpreadConstraints {
			selectors["spread over "+spread.TopologyKey] = spread.LabelSelector.MatchLabels
		}
		for what, selector := range selectors {
			if len(selector) == 0 {
				t.Errorf("%s selects everything", what)
			}
			for key, value := range selector {
				if labels[key] != value {
					t.Errorf("%s selects %s=%s, and the Pods have %q", what, key, value, labels[key])
				}
			}
		}
		if target := m.scaling.Spec.ScaleTargetRef; target.Kind != "Deployment" || target.Name != m.deployment.Name {
			t.Errorf("the autoscaler scales %s %s", target.Kind, target.Name)
		}
		if m.deployment.Spec.Replicas != nil {
			t.Error("an apply would undo what the autoscaler has done: the Deployment has replicas")
		}
	})
}

// TestTheGatewayIsNotTheApplication: in one namespace, no selector of one means Pods of the other.
func TestTheGatewayIsNotTheApplication(t *testing.T) {
	base, gateway := build(t, "base"), build(t, "gateway")
	const name = "app.kubernetes.io/name"
	if base.service.Spec.Selector[name] == gateway.service.Spec.Selector[name] || base.deployment.Name == gateway.deployment.Name {
		t.Errorf("both are %s", base.deployment.Name)
	}
}

// TestPorts: services and probes name ports of the container, and the program listens on these.
func TestPorts(t *testing.T) {
	eachKustomization(t, func(t *testing.T, m *manifests) {
		var protocols []string
		for _, p := range m.service.Spec.Ports {
			if m.port(p.TargetPort.String()) == 0 {
				t.Errorf("the service sends to port %s, which the container lacks", p.TargetPort.String())
			}
			protocols = append(protocols, *p.AppProtocol)
		}
		if !slices.Contains(protocols, "kubernetes.io/h2c") || !slices.Contains(protocols, "http") {
			t.Errorf("the service has the protocols %q", protocols)
		}
		c := m.container()
		for kind, probe := range map[string]*core.Probe{"startup": c.StartupProbe, "readiness": c.ReadinessProbe, "liveness": c.LivenessProbe} {
			want := map[bool]string{true: "/healthz", false: "/readyz"}[kind == "liveness"]
			if got := probe.HTTPGet; got.Path != want || m.port(got.Port.String()) == 0 {
				t.Errorf("the probe for %s asks for %s at port %s", kind, got.Path, got.Port.String())
			}
		}
		for flag, port := range map[string]string{"listen": "http", "admin": "admin"} {
			if _, got, _ := strings.Cut(m.flag(t, flag), ":"); got != strconv.Itoa(m.port(port)) {
				t.Errorf("--%s has port %s, and the container's port %s is %d", flag, got, port, m.port(port))
			}
		}
	})
}

// TestGracePeriod: a Pod is killed only after the limits of its process, and the drain begins after it was seen not to
// be ready.
func TestGracePeriod(t *testing.T) {
	eachKustomization(t, func(t *testing.T, m *manifests) {
		delay, timeout := duration(t, m.flag(t, "drain-delay")), duration(t, m.flag(t, "shutdown-timeout"))
		grace := time.Duration(*m.deployment.Spec.Template.Spec.TerminationGracePeriodSeconds) * time.Second
		if grace < delay+timeout+5*time.Second {
			t.Errorf("%v of grace, for a delay of %v and a drain of %v", grace, delay, timeout)
		}
		ready := m.container().ReadinessProbe
		if seen := time.Duration(ready.PeriodSeconds*ready.FailureThreshold) * time.Second; delay <= 2*seen {
			t.Errorf("the drain begins after %v, and the probe needs %v", delay, seen)
		}
	})
}

// TestPodsAreRestricted: the Pod Security Standard "restricted" of Kubernetes admits them.
func TestPodsAreRestricted(t *testing.T) {
	eachKustomization(t, func(t *testing.T, m *manifests) {
		pod, own := m.deployment.Spec.Template.Spec, m.container().SecurityContext
		if s := pod.SecurityContext; !*s.RunAsNonRoot || *s.RunAsUser != 65532 || s.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault {
			t.Errorf("the Pod's security context is %+v", s)
		}
		if *own.AllowPrivilegeEscalation || !*own.ReadOnlyRootFilesystem || !slices.Equal(own.Capabilities.Drop, []core.Capability{"ALL"}) || len(own.Capabilities.Add) > 0 {
			t.Errorf("the container's security context is %+v", own)
		}
		if *pod.AutomountServiceAccountToken {
			t.Error("the Pods get a token for the cluster")
		}
		if m.container().Resources.Limits.Memory().IsZero() {
			t.Error("memory has no limit, which the garbage collector would keep below")
		}
	})
}

// TestAutoscalingMetricsExist: in the table of docs/operate.md, which tests of the main module hold against the program.
func TestAutoscalingMetricsExist(t *testing.T) {
	table := read(t, root+"/docs/operate.md")
	eachKustomization(t, func(t *testing.T, m *manifests) {
		own := 0
		for _, metric := range m.scaling.Spec.Metrics {
			if metric.Pods == nil {
				continue
			}
			own++
			if name := metric.Pods.Metric.Name; !strings.Contains(table, "\n| `"+name+"` | gauge |") {
				t.Errorf("docs/operate.md has no gauge %s", name)
			}
		}
		if own == 0 {
			t.Error("it scales on none of our metrics")
		}
	})
}

// mounted returns the folder that stands for a volume: with the ConfigMap's content, or with a token.
func (m *manifests) mounted(t *testing.T, volume string) string {
	t.Helper()
	i := slices.IndexFunc(m.deployment.Spec.Template.Spec.Volumes, func(v core.Volume) bool { return v.Name == volume })
	if i < 0 {
		t.Fatalf("there is no volume %s", volume)
	}
	files := map[string]string{"token": strings.Repeat("x", 64)}
	if v := m.deployment.Spec.Template.Spec.Volumes[i]; v.ConfigMap != nil {
		if m.config == nil || v.ConfigMap.Name != m.config.Name {
			t.Fatalf("the volume %s is of the ConfigMap %s, which does not exist", volume, v.ConfigMap.Name)
		}
		files = m.config.Data
	}
	folder := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// TestContainersStart: the program starts with the arguments of the container and the files of its volumes, answers the
// probes, and ends with 0. Ports and the delay alone are others.
func TestContainersStart(t *testing.T) {
	eachKustomization(t, func(t *testing.T, m *manifests) {
		args := slices.Clone(m.container().Args)
		help(t, args[0], args[1:]...)
		for _, mount := range m.container().VolumeMounts {
			folder := m.mounted(t, mount.Name)
			for i, arg := range args {
				args[i] = strings.Replace(arg, "="+mount.MountPath+"/", "="+folder+"/", 1)
			}
		}
		for i, arg := range args {
			switch flag, _, _ := strings.Cut(arg, "="); flag {
			case "--listen", "--admin":
				args[i] = flag + "=:0"
			case "--drain-delay":
				args[i] = flag + "=1ms"
			}
		}
		p := start(t, nil, args...)
		for path, want := range map[string]int{"/readyz": 200, "/healthz": 200, "/metrics": 401} {
			if got := p.get(path); got != want {
				t.Errorf("%s of the admin listener answers %d, want %d", path, got, want)
			}
		}
		p.stop()
	})
}

// TestGatewayFile: gatewheel check finds no mistake in it.
func TestGatewayFile(t *testing.T) {
	m := build(t, "gateway")
	name := filepath.Join(m.mounted(t, "gateway"), filepath.Base(m.flag(t, "config")))
	if out, err := exec.Command(gatewheel, "check", name).CombinedOutput(); err != nil {
		t.Errorf("gatewheel check: %v\n%s", err, out)
	}
	if strings.Contains(m.config.Name, "-gateway-") {
		t.Errorf("the ConfigMap %s has another name for each content: a change restarts all Pods", m.config.Name)
	}
}
