import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startDaemon, type Daemon } from '../support/daemon.ts'
import { freePort } from '../support/free-port.ts'
import { sendRequest } from '../support/http-client.ts'
import { until } from '../support/until.ts'

/** One machine of the cluster: Patroni and the PostgreSQL that it keeps. */
export interface PatroniNode {
  readonly name: string
  readonly port: number
  /** SIGKILL to all that runs on it, as a machine that loses its power. Its files stay. */
  kill9(): Promise<void>
  /** SIGKILL to PostgreSQL; Patroni lives and may start it again. */
  crash(): void
  /** All that runs on it stands still, its sockets open: a machine that is paused, or swaps. */
  freeze(): void
  /** PostgreSQL goes on, and Patroni, which would end it, does not yet. */
  wakePostgres(): void
  /** Patroni ends PostgreSQL in order, then itself. */
  stop(): Promise<void>
  start(): Promise<void>
}

/** Who is what, as Patroni tells. */
export interface Member {
  readonly name: string
  readonly role: string
  readonly state: string
  readonly lag?: number | string
}

/** Three nodes and an etcd that decides who of them is the primary. */
export interface PatroniCluster extends AsyncDisposable {
  readonly nodes: readonly [PatroniNode, PatroniNode, PatroniNode]
  /** Of all three, standbys among them, in this order. */
  urlOf(nodes: readonly PatroniNode[], database?: string): string
  members(): Promise<readonly Member[]>
  /** The node that writes; waits for one. */
  primary(except?: PatroniNode): Promise<PatroniNode>
  standbys(): Promise<readonly PatroniNode[]>
  /** Waits until one writes, two follow without lag, and what is synchronous is so. */
  whole(): Promise<void>
  /** Changes settings of all, such as `synchronous_mode`. */
  configure(settings: Readonly<Record<string, unknown>>): Promise<void>
  /** Makes another node the primary, in order. */
  switchOver(): Promise<void>
}

const programs = '/usr/lib/postgresql/15/bin'
const environment = { PATH: `${programs}:/usr/sbin:/usr/bin:/sbin:/bin`, LC_ALL: 'C.UTF-8' }
/** As Patroni's manual has them: what an operator gets who changes nothing but the mode. */
const patroniDefaults = { ttl: 30, loop_wait: 10, retry_timeout: 10, maximum_lag_on_failover: 1_048_576 }

interface Ground {
  readonly root: string
  readonly etcdPort: number
  readonly asPostgres: readonly string[]
  readonly owner: { readonly uid: number; readonly gid: number }
}

/** Starts etcd, then the first node, then the other two; waits until all are there. */
export async function startPatroni(): Promise<PatroniCluster> {
  await using stack = new AsyncDisposableStack()
  const ids = ['-u', '-g'].map((flag) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' })))
  const owner = { uid: ids[0] ?? 0, gid: ids[1] ?? 0 }
  const root = await mkdtemp(join(tmpdir(), 'berth-patroni-'))
  await chown(root, owner.uid, owner.gid)
  stack.defer(() => rm(root, { recursive: true, force: true, maxRetries: 5 }))
  const sweep = () => killAll(processesIn(root))
  process.once('exit', sweep)
  stack.defer(() => {
    sweep()
    process.off('exit', sweep)
  })
  const etcdPort = await startEtcd(root, stack)
  const asPostgres = ['setpriv', `--reuid=${owner.uid}`, `--regid=${owner.gid}`, '--clear-groups']
  const ground: Ground = { root, etcdPort, asPostgres, owner }
  const [one, two, three] = [await makeNode('one', ground), await makeNode('two', ground), await makeNode('three', ground)]
  const cluster = clusterOf([one, two, three])
  await one.start()
  await cluster.primary()
  await Promise.all([two.start(), three.start()])
  await cluster.whole()
  const all = stack.move()
  return { ...cluster, [Symbol.asyncDispose]: () => all.disposeAsync() }
}

async function startEtcd(root: string, stack: AsyncDisposableStack): Promise<number> {
  const [client, peer] = [await freePort(), await freePort()]
  const own = `http://127.0.0.1:${peer}`
  const flags = {
    name: 'only',
    'data-dir': join(root, 'etcd'),
    'listen-client-urls': `http://127.0.0.1:${client}`,
    'advertise-client-urls': `http://127.0.0.1:${client}`,
    'listen-peer-urls': own,
    'initial-advertise-peer-urls': own,
    'initial-cluster': `only=${own}`,
  }
  const command = ['/usr/bin/etcd', ...Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`)]
  const isHealthy = () => answer(client, '/health').then((body) => body !== undefined)
  stack.use(await startDaemon(command, isHealthy, { cwd: root, env: environment }))
  return client
}

/** What the port answers; undefined: nothing, or that it is not well. */
async function answer(port: number, path: string): Promise<unknown> {
  const { status, body } = await sendRequest(`http://127.0.0.1:${port}${path}`, { timeoutMs: 2000 }).catch(() => ({
    status: 0,
    body: Buffer.of(),
  }))
  if (status !== 200) return undefined
  return body.length === 0 ? '' : (JSON.parse(body.toString()) as unknown)
}

interface Node extends PatroniNode {
  readonly restPort: number
}

async function makeNode(name: string, { root, etcdPort, asPostgres, owner }: Ground): Promise<Node> {
  const [port, restPort] = [await freePort(), await freePort()]
  const place = join(root, name)
  await mkdir(place)
  await chown(place, owner.uid, owner.gid)
  const file = join(place, 'patroni.yml')
  await writeFile(file, JSON.stringify(configurationOf({ name, port, restPort, etcdPort, place })))
  let daemon: Daemon | undefined
  const freeze = () => signalAll(processesIn(place), 'SIGSTOP')
  return {
    name,
    port,
    restPort,
    async kill9() {
      // Stopped first, so that none of them sees another one's end and says something about it.
      freeze()
      killAll(processesIn(place))
      await daemon?.kill9()
    },
    crash: () => process.kill(Number(readFileSync(join(place, 'data/postmaster.pid'), 'utf8').split('\n')[0]), 'SIGKILL'),
    freeze,
    wakePostgres: () => signalAll(processesIn(join(place, 'data')), 'SIGCONT'),
    async stop() {
      await daemon?.stop()
    },
    async start() {
      const isAnswering = () => answer(restPort, '/liveness').then((body) => body !== undefined)
      const options = { cwd: place, env: { ...environment, HOME: place }, readyWithinMs: 60_000, stopWithinMs: 60_000 }
      daemon = await startDaemon([...asPostgres, '/usr/bin/patroni', file], isAnswering, options)
    },
  }
}

interface Place {
  readonly name: string
  readonly port: number
  readonly restPort: number
  readonly etcdPort: number
  readonly place: string
}

/** JSON is YAML. */
function configurationOf({ name, port, restPort, etcdPort, place }: Place): unknown {
  const rest = `127.0.0.1:${restPort}`
  const user = (username: string) => ({ username, password: 'not asked for' })
  return {
    scope: 'berth',
    name,
    restapi: { listen: rest, connect_address: rest },
    etcd3: { host: `127.0.0.1:${etcdPort}` },
    bootstrap: {
      dcs: { ...patroniDefaults, synchronous_mode: true, postgresql: { use_pg_rewind: true, use_slots: true } },
      initdb: [{ encoding: 'UTF8' }, { locale: 'C.UTF-8' }, 'data-checksums'],
    },
    postgresql: {
      listen: `127.0.0.1:${port}`,
      connect_address: `127.0.0.1:${port}`,
      data_dir: join(place, 'data'),
      bin_dir: programs,
      pgpass: join(place, 'pgpass'),
      authentication: { superuser: user('postgres'), replication: user('replicator'), rewind: user('rewinder') },
      pg_hba: ['host all all 127.0.0.1/32 trust', 'host replication all 127.0.0.1/32 trust'],
      parameters: { unix_socket_directories: place, shared_buffers: '32MB', max_connections: 100 },
    },
  }
}

function clusterOf(nodes: readonly [Node, Node, Node]): Omit<PatroniCluster, typeof Symbol.asyncDispose> {
  const askAny = async (path: string): Promise<unknown> => {
    for (const { restPort } of nodes) {
      const body = await answer(restPort, path)
      if (body !== undefined) return body
    }
    return undefined
  }
  const members = async () => ((await askAny('/cluster')) as { readonly members?: readonly Member[] } | undefined)?.members ?? []
  const nodeNamed = (name: string) => {
    const node = nodes.find((each) => each.name === name)
    if (node === undefined) throw new Error(`no node is called ${name}`)
    return node
  }
  /** Not the list of members, which knows a dead one until its time is over. */
  const writing = async (except?: PatroniNode): Promise<Node | undefined> => {
    for (const node of nodes) if (node !== except && (await answer(node.restPort, '/primary')) !== undefined) return node
    return undefined
  }
  const primary = async (except?: PatroniNode): Promise<Node> => {
    let found: Node | undefined
    await until('a primary', async () => (found = await writing(except)) !== undefined, 120_000)
    return found ?? nodes[0]
  }
  const send = async (method: string, path: string, body: unknown) => {
    const { restPort } = await primary()
    const request = { method, body: JSON.stringify(body), headers: { 'content-type': 'application/json' }, timeoutMs: 60_000 }
    const { status, body: said } = await sendRequest(`http://127.0.0.1:${restPort}${path}`, request)
    if (status !== 200) throw new Error(`Patroni answers ${method} ${path} with ${status}: ${said.toString()}`)
  }
  const isSynchronous = async () => ((await askAny('/config')) as { readonly synchronous_mode?: boolean }).synchronous_mode === true
  const isWhole = async () => {
    const all = await members()
    const [leaders, others] = [all.filter(isLeader), all.filter((member) => !isLeader(member))]
    const arePresent = leaders.length === 1 && others.length === 2 && all.every(({ state }) => state === 'running' || state === 'streaming')
    const areLevel = others.every(({ lag }) => lag === 0)
    return arePresent && areLevel && (!(await isSynchronous()) || others.some(({ role }) => role === 'sync_standby'))
  }
  return {
    nodes,
    urlOf: (listed, database = 'postgres') =>
      `postgres://postgres@${listed.map(({ port }) => `127.0.0.1:${port}`).join(',')}/${database}?sslmode=disable&connect_timeout=2`,
    members,
    primary,
    standbys: async () => (await members()).filter((member) => !isLeader(member)).map(({ name }) => nodeNamed(name)),
    whole: () => until('a whole cluster', isWhole, 120_000),
    configure: (settings) => send('PATCH', '/config', settings),
    async switchOver() {
      const { name } = await primary()
      const candidate = (await members()).find(({ role }) => role === 'sync_standby')?.name
      await send('POST', '/switchover', { leader: name, ...(candidate !== undefined && { candidate }) })
    },
  }
}

const isLeader = ({ role }: Member) => role === 'leader'

/** Processes whose current directory is below this one: all that is started here has its own there. */
function processesIn(directory: string): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/u.test(name))
  return pids.filter((pid) => currentDirectory(pid)?.startsWith(directory) === true).map(Number)
}

function currentDirectory(pid: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`)
  } catch {
    return undefined
  }
}

function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal)
    } catch {
      // It ended meanwhile.
    }
  }
}

function killAll(pids: readonly number[]): void {
  signalAll(pids, 'SIGKILL')
}
