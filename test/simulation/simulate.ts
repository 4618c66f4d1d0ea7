/** One run: a seed makes a profile, a list of operations and an order of events; what comes out is what was violated, and a hash of all that happened. */
import { createProject } from '#projects/create-project.ts'
import { runInline } from '#jobs/run-inline.ts'
import { collectGarbage } from '#registry/collect-garbage.ts'
import { purgeUploads } from '#registry/purge-uploads.ts'
import * as act from './clients.ts'
import { projects } from './content.ts'
import type { SimDatabase } from './database.ts'
import { checkAtRest } from './at-rest.ts'
import { finished } from './finished.ts'
import { operationsOf, profileOf, type ControlOperation, type Operation, type Profile } from './operations.ts'
import { kill, startProcess, type SimProcess } from './process.ts'
import { SeededRandom } from './random.ts'
import { request } from './requests.ts'
import * as uploads from './uploads.ts'
import { decide } from './policies.ts'
import { makeWorld, minuteMs, type World } from './world.ts'

export interface Run {
  readonly seed: number
  readonly profile: Profile
  readonly operations: readonly Operation[]
  readonly violations: readonly string[]
  readonly recent: readonly string[]
  readonly traceHash: string
  readonly steps: number
}

interface Flow {
  readonly process: SimProcess
}

/** What is under way. */
interface Stage {
  readonly world: World
  readonly uploads: uploads.SimUpload[]
  readonly flows: Set<Flow>
  server: SimProcess
  /** Works beside the server, where a run has workers. */
  worker: SimProcess | undefined
  crash: { readonly isPowerCut: boolean; stepsLeft: number } | undefined
  resumeAt: number
  counts: Map<string, number>
}

const signal = new AbortController().signal
const isControl = (operation: Operation): operation is ControlOperation =>
  ['advance', 'step-clock', 'crash', 'pause', 'fault'].includes(operation.kind)

/** Runs a seed. `operations`: others than the seed's own, for making a failure shorter. */
export async function simulate(
  database: SimDatabase,
  seed: number,
  options: { readonly operations?: readonly Operation[]; readonly isTraced?: boolean } = {},
): Promise<Run> {
  const random = new SeededRandom(seed, 'operations')
  const profile = profileOf(random)
  const operations = options.operations ?? operationsOf(random, profile)
  const world = makeWorld(seed, profile, database)
  world.scheduler.isTraced = options.isTraced === true
  const { model, scheduler } = world
  try {
    await playAll(world, operations)
  } catch (error) {
    model.violate(`the simulation broke: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
  }
  return {
    seed,
    profile,
    operations,
    violations: model.violations,
    recent: scheduler.recent,
    traceHash: scheduler.traceHash,
    steps: scheduler.steps,
  }
}

async function playAll(world: World, operations: readonly Operation[]): Promise<void> {
  const stage: Stage = {
    world,
    uploads: [],
    flows: new Set(),
    server: await startProcess(world, 'server'),
    worker: undefined,
    crash: undefined,
    resumeAt: Infinity,
    counts: new Map(),
  }
  for (const name of projects)
    await finished(
      world,
      createProject({ metadata: stage.server.metadata, ports: stage.server.ports }, { name }, { actor: '', requestId: '' }),
    )
  await startWork(stage)
  await play(stage, operations)
  if (world.model.violations.length > 0) return
  world.faults.clear()
  await countsDone(stage)
  await checkAtRest(world, [stage.server, ...(stage.worker === undefined ? [] : [stage.worker])])
}

async function startWork(stage: Stage): Promise<void> {
  const { world } = stage
  if (!world.profile.hasWorker) return
  stage.server.jobs.start()
  stage.worker = await startProcess(world, 'worker')
  stage.worker.jobs.start()
}

async function play(stage: Stage, operations: readonly Operation[]): Promise<void> {
  const { world, flows } = stage
  const { scheduler, model } = world
  const queue = [...operations]
  while ((queue.length > 0 || flows.size > 0) && model.violations.length === 0) {
    const [next] = queue
    if (next !== undefined && mayBegin(stage, next)) {
      queue.shift()
      await begin(stage, next)
    } else if (!(await scheduler.step(true)) && flows.size > 0 && stage.resumeAt === Infinity) {
      const open = [...model.calls.values()].filter(({ outcome }) => outcome === 'open')
      return model.violate(`requests hang: ${open.map(({ id, what }) => `${id} ${what}`).join(', ')}`)
    }
    await afterStep(stage)
  }
  if (stage.crash !== undefined) await crash(stage, stage.crash.isPowerCut)
  stage.server.isPaused = false
}

function mayBegin({ world, flows }: Stage, next: Operation): boolean {
  if (!isControl(next) && flows.size >= world.profile.clients) return false
  return flows.size === 0 || world.scheduler.random.chance(20)
}

async function afterStep(stage: Stage): Promise<void> {
  const { crash: coming, world } = stage
  if (world.scheduler.monotonic >= stage.resumeAt) {
    // Whatever it was about to write bears the time of before.
    world.model.lastLeapStep = world.scheduler.steps
    stage.server.isPaused = false
    stage.resumeAt = Infinity
  }
  if (coming === undefined || coming.stepsLeft-- > 0) return
  stage.crash = undefined
  await crash(stage, coming.isPowerCut)
}

/** A kill takes the server; power takes everything. */
async function crash(stage: Stage, isPowerCut: boolean): Promise<void> {
  const { world, flows } = stage
  const { scheduler, disk, database, model } = world
  scheduler.note(isPowerCut ? 'power cut' : 'kill')
  const dead = [...new Set([...[...flows].map(({ process }) => process), stage.server])].filter(
    (process) => isPowerCut || process === stage.server,
  )
  if (isPowerCut && stage.worker !== undefined) dead.push(stage.worker)
  for (const process of dead) kill(world, process)
  model.killed(dead)
  for (const flow of flows) if (dead.includes(flow.process)) flows.delete(flow)
  database.crash()
  if (isPowerCut) {
    disk.cutPower(world.damage)
    for (const upload of stage.uploads) upload.mayBeTorn = true
  }
  model.committed()
  model.checkBytes()
  stage.server = await startProcess(world, 'server')
  stage.resumeAt = Infinity
  if (!world.profile.hasWorker) return
  stage.server.jobs.start()
  if (isPowerCut) {
    stage.worker = await startProcess(world, 'worker')
    stage.worker.jobs.start()
  }
}

async function begin(stage: Stage, operation: Operation): Promise<void> {
  const { world } = stage
  world.scheduler.note(`begin ${JSON.stringify(operation)}`)
  if (isControl(operation)) return control(stage, operation)
  const isElsewhere = 'elsewhere' in operation && operation.elsewhere
  const process = isElsewhere ? await startProcess(world, 'command') : stage.server
  const flow: Flow = { process }
  stage.flows.add(flow)
  const client = { world, process, uploads: stage.uploads }
  const doing = doings[operation.kind] as (client: uploads.Client, operation: Operation, stage: Stage) => Promise<unknown>
  doing(client, operation, stage)
    .catch((error: unknown) =>
      world.model.violate(`the client broke: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`),
    )
    .finally(() => stage.flows.delete(flow))
  await world.scheduler.settle()
}

async function control(stage: Stage, operation: ControlOperation): Promise<void> {
  const { scheduler, model, faults } = stage.world
  switch (operation.kind) {
    case 'advance':
      scheduler.advance(operation.minutes * minuteMs)
      model.lastLeapStep = scheduler.steps
      return
    case 'step-clock': {
      const before = scheduler.now
      scheduler.stepClock(operation.minutes * minuteMs)
      model.clockSet(before)
      model.lastLeapStep = scheduler.steps
      return
    }
    case 'crash':
      stage.crash = { isPowerCut: operation.isPowerCut, stepsLeft: operation.after }
      return
    case 'pause':
      stage.server.isPaused = true
      stage.resumeAt = scheduler.monotonic + operation.seconds * 1000
      return
    case 'fault':
      faults.arm(operation)
  }
}

type Doings = {
  readonly [Kind in Exclude<Operation, ControlOperation>['kind']]: (
    client: uploads.Client,
    operation: Extract<Operation, { readonly kind: Kind }>,
    stage: Stage,
  ) => Promise<unknown>
}

const doings: Doings = {
  push: act.push,
  upload: (client, { repository, blob, way }) =>
    uploads.upload(client, uploads.repositoryAt(repository), { blob: uploads.blobAt(blob), way }),
  begin: (client, { repository, blob, pieces }) =>
    uploads.begin(client, { repository: uploads.repositoryAt(repository), blob: uploads.blobAt(blob), pieces }),
  resume: uploads.resume,
  abandon: uploads.abandon,
  head: (client, { repository, blob }) => act.head(client, uploads.repositoryAt(repository), uploads.blobAt(blob)),
  mount: (client, { repository, from, blob }) =>
    act.mount(client, uploads.repositoryAt(repository), { from: uploads.repositoryAt(from), blob: uploads.blobAt(blob) }),
  pull: act.pull,
  list: act.list,
  tag: act.tag,
  'delete-tag': act.removeTag,
  'delete-manifest': act.removeManifest,
  'delete-blob': act.removeBlob,
  'delete-repository': act.removeRepository,
  restore: act.restore,
  'restore-tag': act.restoreOneTag,
  purge: act.purge,
  quota: act.limit,
  policy: decide,
  work: (client, operation, stage) => performWork(stage, client, operation),
  collect: (client, operation, stage) => performWork(stage, client, operation),
  'purge-uploads': (client, operation, stage) => performWork(stage, client, operation),
  count: (client, operation, stage) => performWork(stage, client, operation),
}

type Work = Extract<Operation, { kind: 'work' | 'collect' | 'purge-uploads' | 'count' }>

async function performWork(stage: Stage, { world, process }: uploads.Client, operation: Work): Promise<unknown> {
  switch (operation.kind) {
    case 'collect': {
      const { untagged, sweep } = operation
      return request(world, process, {
        what: 'collect',
        run: () => collectGarbage(process.registry, { signal, deleteUntagged: untagged, sweep }),
      })
    }
    case 'purge-uploads':
      return request(world, process, {
        what: 'purge uploads',
        run: () => purgeUploads(process.registry, { ageMs: operation.ageHours * 60 * minuteMs, signal }),
      })
    case 'work': {
      // What a schedule may start needs no payload.
      const kinds = [...process.jobs.kinds.values()]
        .filter(({ schedule }) => schedule !== undefined)
        .map(({ name }) => name)
        .sort()
      const kind = kinds[operation.which % kinds.length] as string
      return request(world, process, { what: `work ${kind}`, run: () => runInline(process.jobs, { kind }, { signal }) })
    }
    case 'count': {
      const name = `count-${stage.counts.size}`
      stage.counts.set(name, 0)
      const answer = await request(world, process, {
        what: `count ${name} to ${operation.steps}`,
        run: () => process.jobs.enqueue({ kind: 'simulation-count', payload: { name, steps: operation.steps }, createdBy: '' }),
      })
      if (answer.kind === 'done') stage.counts.set(name, operation.steps)
      return answer
    }
  }
}

/** Every job that was put on the queue comes to its end, and has done each of its steps once. */
async function countsDone({ world, counts }: Stage): Promise<void> {
  if (counts.size === 0) return
  const { database } = world.database.connection
  const open = database.prepare(`select count(*) as count from jobs where kind = 'simulation-count' and state in ('waiting', 'running')`)
  for (let steps = 0; Number(open.get()?.['count']) > 0; steps++) {
    if (steps > 20_000) return world.model.violate('jobs do not come to their end')
    await world.scheduler.step(true)
  }
  for (const [name, steps] of counts) {
    const value = database.prepare('select value from settings where name = ?').get(name)?.['value']
    if (steps > 0 && value !== String(steps))
      world.model.violate(`job ${name} was to count to ${steps} and has counted to ${String(value)}`)
  }
}
