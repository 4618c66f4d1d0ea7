/**
 * docker, podman, skopeo, containerd and Helm behind one interface, for tests that do the same with each of them. Each push
 * has content of its own, so that it uploads something, and nothing is kept of what is pulled.
 */
import { createHash } from 'node:crypto'
import { copyFile, mkdir, rm, rmdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { startDaemon } from '../support/daemon.ts'
import { digestOfBytes, mediaTypes } from '../support/registry-client.ts'
import { tryCommand } from '../support/run-command.ts'
import type { CommandResult } from '../support/run-command.ts'
import { tarOf } from '../support/tar.ts'
import { startDockerEngine } from './docker-engine.ts'
import { openWorkplace } from './workplace.ts'
import type { Workplace } from './workplace.ts'

/** A name and what goes with it: a password, a token, a robot's secret, a job's JWT. */
export interface Account {
  readonly name: string
  readonly secret: string
}

/** What a client said of a push or a pull, and the manifest's digest; undefined when it failed. */
export interface Attempt {
  readonly output: string
  readonly digest: string | undefined
}

/** A client of one registry. Its failures are told, not thrown: what they say is what is tested. */
export interface RealClient extends AsyncDisposable {
  readonly name: ClientName
  /** Whether the client has a login: containerd's `ctr` takes name and password with each command. */
  readonly hasLogin: boolean
  login(account: Account): Promise<CommandResult>
  logout(): Promise<void>
  push(repository: string): Promise<Attempt>
  pull(repository: string): Promise<Attempt>
}

/** The registry to work with, over TLS. */
export interface Target {
  readonly host: string
  readonly authorityFile: string
}

export type ClientName = 'docker' | 'podman' | 'skopeo' | 'containerd' | 'Helm'

/** Starts each, with engines, homes and files of its own. */
export const openClients: Readonly<Record<ClientName, (target: Target) => Promise<RealClient>>> = {
  docker: openDocker,
  podman: openPodman,
  skopeo: openSkopeo,
  containerd: openContainerd,
  Helm: openHelm,
}

/** A text that no push had before, to be part of what is pushed. */
function content(client: string): string {
  pushes += 1
  return `push ${pushes} by ${client}`
}
let pushes = 0

const digestPattern = /sha256:[0-9a-f]{64}/u

function attemptOf({ status, output }: CommandResult, digest?: string): Attempt {
  return { output, digest: status === 0 ? (digest ?? digestPattern.exec(output)?.[0]) : undefined }
}

/** A command whose outcome is told, in the client's environment. */
function tries(work: Workplace) {
  return (command: readonly string[], input?: string) =>
    tryCommand(command, { env: work.env, cwd: work.path, ...(input === undefined ? {} : { input }) })
}

async function openDocker({ host, authorityFile }: Target): Promise<RealClient> {
  const certificates = `/etc/docker/certs.d/${host}`
  await mkdir(certificates, { recursive: true })
  await copyFile(authorityFile, `${certificates}/ca.crt`)
  const engine = await startDockerEngine([])
  const { work } = engine
  const attempt = tries(work)
  const docker = (...args: string[]) => attempt(['/usr/bin/docker', ...args])
  const image = (repository: string) => `${host}/${repository}:1`
  return {
    name: 'docker',
    hasLogin: true,
    login: ({ name, secret }) => attempt(['/usr/bin/docker', 'login', '-u', name, '--password-stdin', host], secret),
    logout: async () => void (await docker('logout', host)),
    push: async (repository) => {
      await writeFile(work.file('files.tar'), tarOf({ content: content('docker') }))
      await work.run(['/usr/bin/docker', 'import', work.file('files.tar'), image(repository)])
      const pushed = await docker('push', image(repository))
      await docker('rmi', image(repository))
      return attemptOf(pushed)
    },
    pull: async (repository) => {
      const pulled = await docker('pull', image(repository))
      if (pulled.status === 0) await docker('rmi', image(repository))
      return attemptOf(pulled, /Digest: (sha256:[0-9a-f]{64})/u.exec(pulled.output)?.[1])
    },
    [Symbol.asyncDispose]: async () => {
      await engine[Symbol.asyncDispose]()
      await rm(certificates, { recursive: true, force: true })
      await rmdir(dirname(certificates)).catch(() => {}) // Others' certificates may be there.
    },
  }
}

async function openPodman({ host, authorityFile }: Target): Promise<RealClient> {
  const work = await openWorkplace('podman', (file) => ({
    REGISTRY_AUTH_FILE: file('auth.json'),
    CONTAINERS_STORAGE_CONF: file('storage.conf'),
  }))
  await mkdir(work.file('certs'))
  await copyFile(authorityFile, work.file('certs', 'ca.crt'))
  const storage = `[storage]\ndriver = "overlay"\ngraphroot = "${work.file('root')}"\nrunroot = "${work.file('runroot')}"\n`
  await writeFile(work.file('storage.conf'), storage)
  const attempt = tries(work)
  const trust = `--cert-dir=${work.file('certs')}`
  const image = (repository: string) => `${host}/${repository}:1`
  return {
    name: 'podman',
    hasLogin: true,
    login: ({ name, secret }) => attempt(['podman', 'login', trust, '-u', name, '--password-stdin', host], secret),
    logout: async () => void (await attempt(['podman', 'logout', host])),
    push: async (repository) => {
      await writeFile(work.file('files.tar'), tarOf({ content: content('podman') }))
      await work.run(['podman', 'import', '-q', work.file('files.tar'), image(repository)])
      const digestFile = work.file('digest')
      const pushed = await attempt(['podman', 'push', trust, '--digestfile', digestFile, image(repository)])
      await attempt(['podman', 'rmi', '-f', image(repository)])
      const digest = pushed.status === 0 ? (await work.run(['cat', digestFile])).stdout : undefined
      return attemptOf(pushed, digest)
    },
    pull: async (repository) => {
      const pulled = await attempt(['podman', 'pull', trust, image(repository)])
      if (pulled.status !== 0) return attemptOf(pulled)
      const digest = (await work.run(['podman', 'image', 'inspect', '--format', '{{.Digest}}', image(repository)])).stdout.trim()
      await attempt(['podman', 'rmi', '-f', image(repository)])
      return attemptOf(pulled, digest)
    },
    [Symbol.asyncDispose]: () => work[Symbol.asyncDispose](),
  }
}

async function openSkopeo({ host, authorityFile }: Target): Promise<RealClient> {
  const work = await openWorkplace('skopeo', (file) => ({ REGISTRY_AUTH_FILE: file('auth.json') }))
  await mkdir(work.file('certs'))
  await copyFile(authorityFile, work.file('certs', 'ca.crt'))
  const attempt = tries(work)
  const certs = `cert-dir=${work.file('certs')}`
  const image = (repository: string) => `docker://${host}/${repository}:1`
  return {
    name: 'skopeo',
    hasLogin: true,
    login: ({ name, secret }) => attempt(['skopeo', 'login', `--${certs}`, '-u', name, '--password-stdin', host], secret),
    logout: async () => void (await attempt(['skopeo', 'logout', host])),
    push: async (repository) => {
      const { archive, digest } = ociArchive('skopeo')
      await writeFile(work.file('image.tar'), archive)
      const source = `oci-archive:${work.file('image.tar')}`
      const copy = ['skopeo', '--insecure-policy', 'copy', '--preserve-digests', `--dest-${certs}`, source, image(repository)]
      return attemptOf(await attempt(copy), digest)
    },
    pull: async (repository) => {
      const target = work.file('pulled')
      await rm(target, { recursive: true, force: true })
      const pulled = await attempt(['skopeo', '--insecure-policy', 'copy', `--src-${certs}`, image(repository), `dir:${target}`])
      if (pulled.status !== 0) return attemptOf(pulled)
      const manifest = await work.run(['sha256sum', `${target}/manifest.json`])
      return attemptOf(pulled, `sha256:${manifest.stdout.slice(0, 64)}`)
    },
    [Symbol.asyncDispose]: () => work[Symbol.asyncDispose](),
  }
}

async function openContainerd({ host, authorityFile }: Target): Promise<RealClient> {
  const work = await openWorkplace('containerd')
  const places = `root = "${work.file('root')}"\nstate = "${work.file('state')}"\n`
  const sockets = `[grpc]\n  address = "${work.file('containerd.sock')}"\n[ttrpc]\n  address = "${work.file('containerd.sock.ttrpc')}"\n`
  await writeFile(work.file('config.toml'), `version = 2\n${places}disabled_plugins = ["io.containerd.grpc.v1.cri"]\n${sockets}`)
  const ctr = ['ctr', '-a', work.file('containerd.sock'), '-n', 'berth', 'images']
  const ready = async () => (await tryCommand(['ctr', '-a', work.file('containerd.sock'), 'version'], { env: work.env })).status === 0
  const containerd = await startDaemon(['containerd', '-c', work.file('config.toml')], ready, { env: work.env })
  const attempt = tries(work)
  const image = (repository: string) => `${host}/${repository}:1`
  let account: readonly string[] = []
  const remove = (repository: string) => attempt([...ctr, 'rm', '--sync', image(repository)])
  return {
    name: 'containerd',
    hasLogin: false,
    login: async ({ name, secret }) => {
      account = ['-u', `${name}:${secret}`]
      return { status: 0, stdout: '', stderr: '', output: '' }
    },
    logout: async () => {
      account = []
    },
    push: async (repository) => {
      const { archive, digest } = ociArchive('containerd', image(repository))
      await writeFile(work.file('image.tar'), archive)
      await work.run([...ctr, 'import', '--no-unpack', work.file('image.tar')])
      const pushed = await attempt([...ctr, 'push', '--tlscacert', authorityFile, ...account, image(repository)])
      await remove(repository)
      return attemptOf(pushed, digest)
    },
    pull: async (repository) => {
      const pulled = await attempt([...ctr, 'pull', '--tlscacert', authorityFile, ...account, image(repository)])
      if (pulled.status !== 0) return attemptOf(pulled)
      const { stdout } = await work.run([...ctr, 'ls', `name==${image(repository)}`])
      await remove(repository)
      return attemptOf(pulled, digestPattern.exec(stdout)?.[0])
    },
    [Symbol.asyncDispose]: async () => {
      await containerd.stop()
      await work[Symbol.asyncDispose]()
    },
  }
}

/** Helm names the repository after the chart, so the chart is called as the repository's last part. */
async function openHelm({ host, authorityFile }: Target): Promise<RealClient> {
  const program = process.env['BERTH_TEST_HELM'] ?? 'helm'
  const work = await openWorkplace('helm')
  const attempt = tries(work)
  const trust = ['--ca-file', authorityFile]
  const chartOf = (repository: string) => repository.slice(repository.lastIndexOf('/') + 1)
  return {
    name: 'Helm',
    hasLogin: true,
    login: ({ name, secret }) => attempt([program, 'registry', 'login', host, '-u', name, '--password-stdin', ...trust], secret),
    logout: async () => void (await attempt([program, 'registry', 'logout', host])),
    push: async (repository) => {
      const chart = chartOf(repository)
      await mkdir(work.file(chart), { recursive: true })
      await writeFile(work.file(chart, 'Chart.yaml'), `apiVersion: v2\nname: ${chart}\nversion: 0.1.0\ndescription: ${content('Helm')}\n`)
      await work.run([program, 'package', chart], { cwd: work.path })
      return attemptOf(await attempt([program, 'push', `${chart}-0.1.0.tgz`, `oci://${host}/${dirname(repository)}`, ...trust]))
    },
    pull: async (repository) =>
      attemptOf(await attempt([program, 'pull', `oci://${host}/${repository}`, '--version', '0.1.0', '-d', work.file('tmp'), ...trust])),
    [Symbol.asyncDispose]: () => work[Symbol.asyncDispose](),
  }
}

/** The tag that a client's pushes have: Helm's is the chart's version. */
export function tagOf(client: RealClient): string {
  return client.name === 'Helm' ? '0.1.0' : '1'
}

/** An image of one file as an archive of the OCI image layout; `name` is the one under which containerd imports it. */
function ociArchive(client: string, name?: string): { readonly archive: Buffer; readonly digest: string } {
  const layer = tarOf({ content: content(client) })
  const config = Buffer.from(
    JSON.stringify({ architecture: 'amd64', os: 'linux', config: {}, rootfs: { type: 'layers', diff_ids: [digestOfBytes(layer)] } }),
  )
  const describe = (bytes: Buffer, mediaType: string) => ({ mediaType, digest: digestOfBytes(bytes), size: bytes.length })
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.manifest,
      config: describe(config, mediaTypes.config),
      layers: [describe(layer, mediaTypes.layer)],
    }),
  )
  const annotations = name === undefined ? {} : { annotations: { 'io.containerd.image.name': name } }
  const index = {
    schemaVersion: 2,
    mediaType: mediaTypes.index,
    manifests: [{ ...describe(manifest, mediaTypes.manifest), ...annotations }],
  }
  const blobs = [layer, config, manifest].map((bytes) => [`blobs/sha256/${createHash('sha256').update(bytes).digest('hex')}`, bytes])
  const files = { 'oci-layout': '{"imageLayoutVersion":"1.0.0"}', 'index.json': JSON.stringify(index), ...Object.fromEntries(blobs) }
  return { archive: tarOf(files), digest: digestOfBytes(manifest) }
}
