{{/* The chart's name, in labels. */}}
{{- define "aso-guard.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The name of everything; long enough names are cut, for labels take 63 characters. */}}
{{- define "aso-guard.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "aso-guard.selector" -}}
app.kubernetes.io/name: {{ include "aso-guard.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "aso-guard.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "aso-guard.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "aso-guard.serviceAccount" -}}
{{- default (include "aso-guard.fullname" .) .Values.serviceAccount.name }}
{{- end }}

{{- define "aso-guard.image" -}}
{{- $repository := required "image.repository: say where the image is; none is published, docs/image.md says how to build it" .Values.image.repository }}
{{- with .Values.global.imageRegistry }}
{{- $repository = printf "%s/%s" . $repository }}
{{- end }}
{{- if .Values.image.digest }}
{{- printf "%s@%s" $repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" $repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{/* Helm takes the guard's own away when the source changes, so somebody else's has another name. */}}
{{- define "aso-guard.tlsSecret" -}}
{{- $end := ternary "tls" "serving-tls" (eq .Values.certificates.source "selfSigned") }}
{{- default (printf "%s-%s" (include "aso-guard.fullname" .) $end) .Values.certificates.secretName }}
{{- end }}

{{/* Where the guard keeps the secret part of the webhook's path: with its own certificate, if it has one. */}}
{{- define "aso-guard.pathSecret" -}}
{{- if eq .Values.certificates.source "selfSigned" }}
{{- include "aso-guard.tlsSecret" . }}
{{- else }}
{{- printf "%s-path" (include "aso-guard.fullname" .) }}
{{- end }}
{{- end }}

{{/* Whether the claims are kept in this cluster. */}}
{{- define "aso-guard.ownRegistry" -}}
{{- if not (or .Values.registry.kubeconfigSecret .Values.registry.azure.url) }}yes{{ end }}
{{- end }}

{{- define "aso-guard.registry" -}}
{{- if and .Values.registry.azure.url .Values.registry.kubeconfigSecret -}}
{{- fail "registry.azure.url and registry.kubeconfigSecret: the claims are at one of the two" }}
{{- else if and .Values.registry.shards (not .Values.registry.kubeconfigSecret) -}}
{{- fail "registry.shards: name the Secret that holds the file in registry.kubeconfigSecret" }}
{{- else if and .Values.registry.shards (eq .Values.protection "available") -}}
{{- fail "registry.shards and protection: available writes down what one registry says; with shards, say strict" }}
{{- else if .Values.registry.shards -}}
shards:/etc/aso-guard/hub/{{ .Values.registry.shards }}
{{- else if .Values.registry.azure.url -}}
{{ .Values.registry.azure.url }}
{{- else if include "aso-guard.ownRegistry" . -}}
kubernetes:
{{- else -}}
kubernetes:/etc/aso-guard/hub/{{ .Values.registry.kubeconfigKey }}
{{- with .Values.registry.context }}#{{ . }}{{ end }}
{{- end }}
{{- end }}

{{- define "aso-guard.nextRegistry" -}}
{{- with .Values.registry.next }}
{{- if and .url .kubeconfigSecret -}}
{{- fail "registry.next.url and registry.next.kubeconfigSecret: the fleet moves to one of the two" }}
{{- else if and (or .url .kubeconfigSecret) $.Values.registry.shards -}}
{{- fail "registry.next and registry.shards: a registry with shards cannot be moved" }}
{{- else if and (or .url .kubeconfigSecret) (eq $.Values.protection "available") -}}
{{- fail "registry.next and protection: available writes down what one registry says; while the fleet moves, say strict" }}
{{- else if .url -}}
{{ .url }}
{{- else if .kubeconfigSecret -}}
kubernetes:/etc/aso-guard/next/{{ .kubeconfigKey }}
{{- with .context }}#{{ . }}{{ end }}
{{- end }}
{{- end }}
{{- end }}

{{/* What the API server does without an answer: audit never blocks anything. */}}
{{- define "aso-guard.onFailure" -}}
{{- $strict := and (eq .root.Values.mode "enforce") (eq .root.Values.protection "strict") }}
{{- default (ternary "Fail" "Ignore" $strict) (get .root.Values.webhook.onFailure .verb) }}
{{- end }}

{{/* A request may be under way for as long as the API server's --request-timeout, 60 s unless it is set. A claim that
     ends sooner could be given away while the object is still being stored. */}}
{{- define "aso-guard.claimDeadline" -}}
{{- $units := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 }}
{{- $sum := 0 }}
{{- range regexFindAll "[0-9]+(ms|s|m|h)" .Values.claimDeadline -1 }}
{{- $sum = add $sum (mul (regexFind "[0-9]+" .) (get $units (regexFind "[a-z]+" .))) }}
{{- end }}
{{- if le $sum 60000 }}
{{- fail (printf "claimDeadline: %s is not longer than the API server's request timeout of 60s; 90s is the default" .Values.claimDeadline) }}
{{- end }}
{{- .Values.claimDeadline }}
{{- end }}

{{/* Which nodes: of the guard's pods and of its jobs. */}}
{{- define "aso-guard.placement" -}}
{{- $affinity := deepCopy .Values.affinity }}
{{- $tolerations := .Values.tolerations }}
{{- if .Values.aks.systemNodePool }}
{{- $system := dict "key" "kubernetes.azure.com/mode" "operator" "In" "values" (list "system") }}
{{- $terms := list (dict "matchExpressions" (list $system)) }}
{{- $node := dict "requiredDuringSchedulingIgnoredDuringExecution" (dict "nodeSelectorTerms" $terms) }}
{{- $_ := set $affinity "nodeAffinity" $node }}
{{- $tolerations = append $tolerations (dict "key" "CriticalAddonsOnly" "operator" "Exists") }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The namespaces that are not judged, as JSON: the guard's own, so that it can always be mended. */}}
{{- define "aso-guard.exemptNamespaces" -}}
{{- concat (list "kube-system" .Release.Namespace) .Values.webhook.exemptNamespaces | uniq | toJson }}
{{- end }}

{{/* The match conditions by which the API server does not ask about exempt users, as JSON. */}}
{{- define "aso-guard.exemptions" -}}
{{- $conditions := list }}
{{- with .Values.webhook.exemptUsers }}
{{- $expression := printf "!(request.userInfo.username in %s)" (include "aso-guard.celList" .) }}
{{- $conditions = append $conditions (dict "name" "not-an-exempt-user" "expression" $expression) }}
{{- end }}
{{- with .Values.webhook.exemptGroups }}
{{- $expression := printf "!request.userInfo.groups.exists(group, group in %s)" (include "aso-guard.celList" .) }}
{{- $conditions = append $conditions (dict "name" "not-in-an-exempt-group" "expression" $expression) }}
{{- end }}
{{- toJson $conditions }}
{{- end }}

{{/* Texts as a list of CEL. */}}
{{- define "aso-guard.celList" -}}
{{- $quoted := list }}
{{- range . }}
{{- $quoted = append $quoted (printf "'%s'" (. | replace "\\" "\\\\" | replace "'" "\\'")) }}
{{- end }}
{{- printf "[%s]" (join ", " $quoted) }}
{{- end }}

{{/* What was chosen of the webhook configuration, as JSON: by this the guard tells a choice from a change by somebody. */}}
{{- define "aso-guard.installed" -}}
{{- $onFailure := dict "write" (include "aso-guard.onFailure" (dict "root" . "verb" "write")) "delete" (include "aso-guard.onFailure" (dict "root" . "verb" "delete")) }}
{{- $timeout := dict "write" (int .Values.webhook.timeoutSeconds.write) "delete" (int .Values.webhook.timeoutSeconds.delete) }}
{{- $exempt := dict "namespaces" (include "aso-guard.exemptNamespaces" . | fromJsonArray) "users" .Values.webhook.exemptUsers "groups" .Values.webhook.exemptGroups }}
{{- $target := dict "service" (dict "namespace" .Release.Namespace "name" (include "aso-guard.fullname" .) "port" 443) }}
{{- dict "version" .Chart.AppVersion "onFailure" $onFailure "timeoutSeconds" $timeout "exempt" $exempt "target" $target | toJson }}
{{- end }}
