/** What clients must be told so that they trust a certificate that nobody else signed: the exact lines, for each of them. */

/** `host` is the registry as image references name it, `authority` the PEM file of who signed its certificate. */
export function trustLines(host: string, authority: string): readonly string[] {
  const copy = (directory: string) => [`sudo mkdir -p ${directory}`, `sudo cp ${quoted(authority)} ${directory}/ca.crt`]
  const containerd = `/etc/containerd/certs.d/${host}`
  return [
    `trust     its certificate is by an authority of its own, ${authority}`,
    '          copy that file to each machine that pulls or pushes (its key stays here), and run there, for',
    '          docker:',
    ...copy(`/etc/docker/certs.d/${host}`),
    '          podman, buildah, skopeo:',
    ...copy(`/etc/containers/certs.d/${host}`),
    '          containerd (with config_path = "/etc/containerd/certs.d" in its config.toml), nerdctl:',
    ...copy(containerd),
    `printf '${hostsToml(host, `${containerd}/ca.crt`)}' | sudo tee ${containerd}/hosts.toml`,
  ].map((line) => (/^(?:trust| )/.test(line) ? `  ${line}` : `    ${line}`))
}

function hostsToml(host: string, authority: string): string {
  return `server = "https://${host}"\\n\\n[host."https://${host}"]\\n  capabilities = ["pull", "resolve", "push"]\\n  ca = "${authority}"\\n`
}

function quoted(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", String.raw`'\''`)}'`
}
