/** Several equal nodes, each a process of its own, on one PostgreSQL and one store, behind HAProxy as deploy/haproxy has it. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createFilesystemStore } from '#blobs/filesystem.ts'
import { createObjectStore } from '#blobs/object-store.ts'
import { createS3Backend } from '#blobs/s3-backend.ts'
import { systemPorts } from '#lib/ports.ts'
import { openTestDatabase } from '#metadata/test-database.ts'
import { testDialect } from '#metadata/test-postgres.ts'
import { adapted } from '../deploy/example.ts'
import { backendOptions } from '../drivers/s3-fixture.ts'
import { checkInvariants } from '../invariants.ts'
import { makeCertificates } from '../support/certificates.ts'
import { startDaemon } from '../support/daemon.ts'
import { freePort } from '../support/free-port.ts'
import { basicAuthorization, sendRequest } from '../support/http-client.ts'
import { registryClient, type RegistryClient } from '../support/registry-client.ts'
import { makeBucket, type S3Endpoint } from '../support/s3-place.ts'
import { startBerth, type RunningBerth } from '../support/start-berth.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { until } from '../support/until.ts'

const told = process.env['BERTH_TEST_RGW']
if (told === undefined || testDialect !== 'postgres')
  throw new Error('these tests need PostgreSQL and Ceph RGW: run `npm run test:nodes`, which starts them')
const rgw = JSON.parse(told) as S3Endpoint

/** Clients that say this get bytes from the registry itself; all others are sent to the store. */
export const directUserAgent = 'berth-direct/1'
const htpasswdPassword = 'wonderland'
/** Of `admin`, where there are accounts. */
const printedPassword = /^ +password +(\S+)$/mu

export interface ClusterOptions {
  readonly count?: number
  /** Where blobs are: Ceph RGW, or a directory that all nodes see. */
  readonly store?: 's3' | 'directory'
  /** `balance` of HAProxy in place of the example's. */
  readonly balance?: string
  /** An htpasswd file of one user, `admin`, in place of accounts: its clients send their password each time and need no tokens. */
  readonly isHtpasswd?: boolean
  /** Keys of config.yml, laid over those of a cluster. */
  readonly config?: Readonly<Record<string, unknown>>
}

export interface Cluster extends AsyncDisposable {
  readonly nodes: readonly RunningBerth[]
  /** Of the balancer, with its authority. */
  readonly url: string
  readonly host: string
  readonly ca: string
  readonly authorityFile: string
  readonly password: string
  readonly authorization: string
  /** Administrator's clients: by way of the balancer, and of one node. */
  readonly balanced: RegistryClient
  at(node: number): RegistryClient
  /** What is wrong with rows and bytes, as sentences; to be asked while nobody pushes. */
  violations(): Promise<string[]>
  /** Waits until the node says that it is ready. */
  untilReady(node: number): Promise<void>
}

/** Starts nodes at the same time on an empty database and store, and the balancer before them. */
export async function startCluster(wanted: ClusterOptions = {}): Promise<Cluster> {
  const { count = 3, store = 's3', balance, config = {}, isHtpasswd = false } = wanted
  await using stack = new AsyncDisposableStack()
  const directory = stack.use(await temporaryDirectory('cluster'))
  const bucket = store === 's3' ? await makeBucket(rgw) : undefined
  const sections = { ...clusterConfig(directory.path, bucket), ...(!isHtpasswd && { auth: 'accounts' }), ...config }
  const options = { dataDir: directory.path, config: sections, ...(isHtpasswd && { users: { admin: htpasswdPassword } }) }
  const nodes = await Promise.all(Array.from({ length: count }, () => startBerth(options)))
  for (const node of nodes) stack.use(node)
  const password = isHtpasswd ? htpasswdPassword : await untilPassword(nodes)
  const balancer = stack.use(
    await startBalancer(
      nodes.map(({ host }) => host),
      { balance },
    ),
  )
  const authorization = basicAuthorization('admin', password)
  const running = stack.move()
  return {
    nodes,
    ...balancer.place,
    password,
    authorization,
    balanced: registryClient(balancer.place.url, { ca: balancer.place.ca, authorization }),
    at: (node) => registryClient(nodes[node]?.url ?? '', { authorization }),
    violations: () => violations(directory.path, bucket),
    untilReady: (node) => until('the node is ready', () => isReady(nodes[node]?.url ?? ''), 60_000),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}

function clusterConfig(dataDir: string, bucket: string | undefined) {
  const s3 = {
    bucket,
    region: 'us-east-1',
    regionendpoint: rgw.endpoint,
    accesskey: rgw.accessKeyId,
    secretkey: rgw.secretAccessKey,
    rootdirectory: '/registry',
  }
  return {
    secrets: { keyfile: join(dataDir, 'berth.key') },
    http: { draindelay: '3s', trustedproxies: ['127.0.0.1/32'] },
    storage: {
      delete: { enabled: true },
      ...(bucket !== undefined && { filesystem: undefined, s3, redirect: { useragents: [`^${directUserAgent}$`] } }),
    },
  }
}

/** Of several that start at once one makes the administrator, and tells the password. */
async function untilPassword(nodes: readonly RunningBerth[]): Promise<string> {
  let password: string | undefined
  await until('the password is printed', () => {
    password = nodes.flatMap((node) => printedPassword.exec(node.logs())?.[1] ?? []).at(0)
    return password !== undefined
  })
  return password ?? ''
}

async function isReady(url: string): Promise<boolean> {
  try {
    return (await sendRequest(`${url}/readyz`, { timeoutMs: 2_000 })).status === 200
  } catch {
    return false
  }
}

/** HAProxy with the example's file, its names, port and certificate changed to those of the test. */
async function startBalancer(hosts: readonly string[], { balance }: { readonly balance: string | undefined }) {
  await using stack = new AsyncDisposableStack()
  const directory = stack.use(await temporaryDirectory('haproxy'))
  const file = (name: string) => join(directory.path, name)
  const certificates = await makeCertificates(directory.path, ['IP:127.0.0.1'])
  const pair = await Promise.all([certificates.certificateFile, certificates.keyFile].map((name) => readFile(name, 'utf8')))
  await writeFile(file('both.pem'), pair.join('\n'))
  const port = await freePort()
  const named = (at: number) => `server berth-${at} berth-${at}:5000`
  const text = await adapted('haproxy/haproxy.cfg', [
    [':443 ', `127.0.0.1:${port} `],
    ['/etc/haproxy/berth.pem', file('both.pem')],
    ...(balance === undefined ? [] : [['balance leastconn', `balance ${balance}`] as const]),
    ...[1, 2, 3].map((at): [string, string] => {
      const host = hosts[at - 1]
      return host === undefined ? [`    ${named(at)}\n`, ''] : [named(at), `server berth-${at} ${host}`]
    }),
  ])
  await writeFile(file('haproxy.cfg'), text)
  const host = `127.0.0.1:${port}`
  const place = { url: `https://${host}`, host, ca: certificates.authority, authorityFile: certificates.authorityFile }
  const isUp = async () => {
    try {
      return (await sendRequest(`${place.url}/v2/`, { ca: place.ca, timeoutMs: 2_000 })).status === 401
    } catch {
      return false
    }
  }
  const daemon = stack.use(await startDaemon(['/usr/sbin/haproxy', '-db', '-f', file('haproxy.cfg')], isUp))
  const running = stack.move()
  return { place, logs: () => daemon.logs(), [Symbol.asyncDispose]: () => running.disposeAsync() }
}

async function violations(dataDir: string, bucket: string | undefined): Promise<string[]> {
  await using metadata = await openTestDatabase(join(dataDir, 'berth.db'))
  await using store =
    bucket === undefined
      ? createFilesystemStore({ rootDirectory: dataDir, files: systemPorts.files })
      : createObjectStore({ backend: createS3Backend(backendOptions(rgw, bucket)), ports: systemPorts })
  return await checkInvariants({ metadata, store, ...(bucket === undefined && { rootDirectory: dataDir }), orphanUploadsAreFine: true })
}
