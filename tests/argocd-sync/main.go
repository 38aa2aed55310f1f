// One sync of an application by the engine of Argo CD: what the application controller does with
// it, without the controller. It renders a directory with kustomize, compares it with the cluster,
// syncs, and prints what the application's status would say, as JSON.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/argoproj/gitops-engine/pkg/cache"
	"github.com/argoproj/gitops-engine/pkg/diff"
	"github.com/argoproj/gitops-engine/pkg/sync"
	"github.com/argoproj/gitops-engine/pkg/utils/kube"
	"github.com/argoproj/gitops-engine/pkg/utils/tracing"
	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2/textlogger"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// By which Argo CD knows what is an application's.
const trackingID = "argocd.argoproj.io/tracking-id"

type settings struct {
	app, directory, namespace, kubeconfig string
	prune, pruneLast, serverSide, dryRun  bool
	limit                                 time.Duration
}

// What the application's status says after it.
type report struct {
	OutOfSync []string   `json:"outOfSync"`
	Phase     string     `json:"phase"`
	Message   string     `json:"message"`
	Resources []resource `json:"resources"`
}

type resource struct {
	Name    string `json:"name"`
	Status  string `json:"status"`
	Message string `json:"message"`
}

func main() {
	var s settings
	flag.StringVar(&s.app, "app", "shop", "the application")
	flag.StringVar(&s.directory, "directory", ".", "what to render")
	flag.StringVar(&s.namespace, "namespace", "default", "where to")
	flag.StringVar(&s.kubeconfig, "kubeconfig", "", "the cluster")
	flag.BoolVar(&s.prune, "prune", false, "delete what the directory has no more")
	flag.BoolVar(&s.pruneLast, "prune-last", false, "the sync option PruneLast")
	flag.BoolVar(&s.serverSide, "server-side", false, "the sync option ServerSideApply")
	flag.BoolVar(&s.dryRun, "dry-run", false, "compare, and sync nothing")
	flag.DurationVar(&s.limit, "limit", 30*time.Second, "how long it may take")
	flag.Parse()
	result, err := run(s)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(result)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(s settings) (*report, error) {
	log := textlogger.NewLogger(textlogger.NewConfig())
	config, err := clientcmd.BuildConfigFromFlags("", s.kubeconfig)
	if err != nil {
		return nil, err
	}
	target, err := render(s)
	if err != nil {
		return nil, err
	}
	kubectl := &kube.KubectlCmd{Log: log, Tracer: tracing.NopTracer{}}
	live := cache.NewClusterCache(config,
		cache.SetNamespaces([]string{s.namespace}),
		cache.SetKubectl(kubectl),
		cache.SetLogr(log),
		cache.SetPopulateResourceInfoHandler(func(un *unstructured.Unstructured, _ bool) (any, bool) {
			tracked := un.GetAnnotations()[trackingID]
			return tracked, tracked != ""
		}),
	)
	if err := live.EnsureSynced(); err != nil {
		return nil, err
	}
	defer live.Invalidate()
	managed, err := live.GetManagedLiveObjs(target, func(r *cache.Resource) bool {
		return r.Info == s.tracks(r.ResourceKey())
	})
	if err != nil {
		return nil, err
	}
	both := sync.Reconcile(target, managed, s.namespace, live)
	outOfSync, err := compare(both, log)
	if err != nil {
		return nil, err
	}
	one, end, err := sync.NewSyncContext("main", both, config, config, kubectl, s.namespace, live.GetOpenAPISchema(),
		sync.WithLogr(log),
		sync.WithOperationSettings(s.dryRun, s.prune, false, false),
		sync.WithPruneLast(s.pruneLast),
		sync.WithServerSideApply(s.serverSide),
		sync.WithServerSideApplyManager("argocd-controller"),
		sync.WithManifestValidation(true),
	)
	if err != nil {
		return nil, err
	}
	defer end()
	return wait(one, outOfSync, s.limit)
}

func (s *settings) tracks(key kube.ResourceKey) string {
	return fmt.Sprintf("%s:%s/%s:%s/%s", s.app, key.Group, key.Kind, key.Namespace, key.Name)
}

func render(s settings) ([]*unstructured.Unstructured, error) {
	options := krusty.MakeDefaultOptions()
	rendered, err := krusty.MakeKustomizer(options).Run(filesys.MakeFsOnDisk(), s.directory)
	if err != nil {
		return nil, err
	}
	yaml, err := rendered.AsYaml()
	if err != nil {
		return nil, err
	}
	objects, err := kube.SplitYAML(yaml)
	if err != nil {
		return nil, err
	}
	for _, object := range objects {
		object.SetNamespace(s.namespace)
		annotations := object.GetAnnotations()
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[trackingID] = s.tracks(kube.GetResourceKey(object))
		object.SetAnnotations(annotations)
	}
	return objects, nil
}

func compare(both sync.ReconciliationResult, log logr.Logger) ([]string, error) {
	compared, err := diff.DiffArray(both.Target, both.Live, diff.WithLogr(log))
	if err != nil {
		return nil, err
	}
	outOfSync := []string{}
	for at, one := range compared.Diffs {
		if one.Modified {
			object := both.Target[at]
			if object == nil {
				object = both.Live[at]
			}
			outOfSync = append(outOfSync, object.GetKind()+"/"+object.GetName())
		}
	}
	return outOfSync, nil
}

func wait(one sync.SyncContext, outOfSync []string, limit time.Duration) (*report, error) {
	for end := time.Now().Add(limit); ; time.Sleep(200 * time.Millisecond) {
		one.Sync()
		phase, message, results := one.GetState()
		if !phase.Completed() && time.Now().Before(end) {
			continue
		}
		told := &report{OutOfSync: outOfSync, Phase: string(phase), Message: message, Resources: []resource{}}
		for _, result := range results {
			name := result.ResourceKey.Kind + "/" + result.ResourceKey.Name
			told.Resources = append(told.Resources, resource{name, string(result.Status), result.Message})
		}
		return told, nil
	}
}
