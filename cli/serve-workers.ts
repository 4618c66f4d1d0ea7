/**
 * `berth serve --workers N`: several processes behind one port.
 *
 * This process, the keeper, serves nothing itself: it holds the lock of the database and the listening socket, starts a worker again that ended, and ends all
 * of them in order. The first worker starts alone, for it may have to migrate the database. Each worker takes connections from the one socket itself, so those that wait
 * are anybody's, and a worker that dies or is replaced loses only what it was answering. (Handed out in turn by the keeper, which is what node:cluster does of its own accord, a
 * connection on its way to a worker that dies stays open in the keeper, and nobody answers it.)
 */
import cluster, { type Worker } from 'node:cluster'
import type { Logger } from '#lib/logger.ts'
import type { MetricsPart } from '#lib/merged-metrics.ts'
import type { RunningBerth } from '#main.ts'
import type { FromWorker, ToWorker } from './worker-messages.ts'

type Greeted = Pick<RunningBerth, 'url' | 'administrator'>

const firstDelayMs = 500
const longestDelayMs = 30_000
/** A worker that lived so long did not die of its start. */
const steadyMs = 60_000
/** A worker that is too busy to tell its figures is left out of a scrape. */
const figuresMs = 2_000

/** The processes. */
export interface Workers {
  /** Of the first worker, for the greeting. */
  readonly greeted: Greeted
  /** Replaces them one after the other, each by one that answers already. */
  replace(): Promise<void>
  /** Ends them in order; resolves when all have ended. */
  end(): Promise<void>
  /** Ends them at once. */
  kill(): void
}

/** What the keeper knows. `places` hold a worker each, or wait for one. */
interface Keeper {
  readonly log: Logger
  readonly places: Place[]
  readonly scrapes: Map<number, Scrape>
  isEnding: boolean
}

interface Place {
  worker: Worker | undefined
  crashes: number
}

interface Scrape {
  readonly asker: { readonly worker: Worker; readonly id: number }
  readonly waiting: Set<Worker>
  readonly parts: MetricsPart[]
  readonly timer: NodeJS.Timeout
}

/** Starts them; resolves when the first answers and the others begin. Throws when the first cannot start: it has said why. */
export async function startWorkers(count: number, file: string | undefined, parts: { readonly log: Logger }): Promise<Workers> {
  cluster.schedulingPolicy = cluster.SCHED_NONE
  cluster.setupPrimary({ args: ['serve', '--workers', String(count), ...(file === undefined ? [] : [file])] })
  const keeper: Keeper = { log: parts.log, places: [], scrapes: new Map(), isEnding: false }
  const place: Place = { worker: undefined, crashes: 0 }
  const first = await startOne(keeper)
  if (first === undefined) throw new StartError()
  keeper.places.push(place)
  keep(keeper, place, first.worker)
  for (let more = 1; more < count; more += 1) {
    const next: Place = { worker: undefined, crashes: 0 }
    keeper.places.push(next)
    void fill(keeper, next)
  }
  return {
    greeted: first.greeted,
    replace: () => replaceAll(keeper),
    async end() {
      keeper.isEnding = true
      const living = Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined)
      for (const worker of living) say(worker, { kind: 'end', isReplaced: false })
      await Promise.all(living.map((worker) => ended(worker)))
    },
    kill() {
      for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill('SIGKILL')
    },
  }
}

/** The first worker ended before it was ready, and has printed why. */
export class StartError extends Error {
  override readonly name = 'StartError'

  constructor() {
    super('the first worker could not start')
  }
}

interface Started {
  readonly worker: Worker
  readonly greeted: Greeted
}

/** A worker that answers; undefined when it ended before it could. */
async function startOne(keeper: Keeper): Promise<Started | undefined> {
  // One connection at a time, so that others get the next (libuv): whoever has less to do is there first.
  const worker = cluster.fork({ UV_TCP_SINGLE_ACCEPT: '1' })
  const { promise, resolve } = Promise.withResolvers<Started | undefined>()
  worker.on('error', () => undefined)
  worker.once('exit', () => {
    resolve(undefined)
    for (const scrape of keeper.scrapes.values()) tookPart(keeper, scrape, worker)
  })
  worker.on('message', (message: FromWorker) => {
    if (message.kind === 'ready') resolve({ worker, greeted: message.running })
    else if (message.kind === 'gather') gather(keeper, worker, message.id)
    else onFigures(keeper, worker, message)
  })
  const started = await promise
  // Whoever began to end meanwhile did not know of it.
  if (started !== undefined && keeper.isEnding) say(worker, { kind: 'end', isReplaced: false })
  return started
}

/** Gives a place its worker, after a wait that grows with the crashes there. */
async function fill(keeper: Keeper, place: Place): Promise<void> {
  while (!keeper.isEnding) {
    const started = await startOne(keeper)
    if (started !== undefined) {
      keep(keeper, place, started.worker)
      return
    }
    if (!keeper.isEnding) await waitAfterCrash(keeper, place)
  }
}

function keep(keeper: Keeper, place: Place, worker: Worker): void {
  place.worker = worker
  const startedAt = performance.now()
  const onExit = async (code: number | null, signal: string | null) => {
    // One that was replaced holds the place no more.
    if (place.worker !== worker || keeper.isEnding) return
    place.worker = undefined
    if (performance.now() - startedAt > steadyMs) place.crashes = 0
    keeper.log.error({ pid: worker.process.pid, code, signal }, 'a worker ended by itself')
    await waitAfterCrash(keeper, place)
    await fill(keeper, place)
  }
  worker.once('exit', (code: number | null, signal: string | null) => void onExit(code, signal))
}

async function waitAfterCrash({ log }: Keeper, place: Place): Promise<void> {
  const delayMs = Math.min(longestDelayMs, firstDelayMs * 2 ** place.crashes)
  place.crashes += 1
  log.info({ delayMs }, 'another worker is started in its place')
  await new Promise((resolve) => setTimeout(resolve, delayMs))
}

async function replaceAll(keeper: Keeper): Promise<void> {
  for (const place of keeper.places) {
    if (keeper.isEnding) return
    const old = place.worker
    if (old === undefined) continue
    const started = await startOne(keeper)
    if (started === undefined) {
      keeper.log.error('workers are not replaced: the first that was to take over could not start')
      return
    }
    keep(keeper, place, started.worker)
    say(old, { kind: 'end', isReplaced: true })
  }
  keeper.log.info('all workers are replaced')
}

function ended(worker: Worker): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  if (worker.isDead()) resolve()
  worker.once('exit', () => resolve())
  return promise
}

function say(worker: Worker, message: ToWorker): void {
  // Without a callback a worker that has just ended would end this process by an 'error'.
  if (worker.isConnected()) worker.process.send(message, undefined, undefined, () => undefined)
}

let lastScrape = 0

/** Asks all that live for their figures, for one of them. */
function gather(keeper: Keeper, asker: Worker, id: number): void {
  const all = keeper.places.map(({ worker }) => worker).filter((worker) => worker !== undefined)
  const number = (lastScrape += 1)
  const finish = () => {
    clearTimeout(scrape.timer)
    if (keeper.scrapes.delete(number)) say(asker, { kind: 'all', id, parts: scrape.parts })
  }
  // Its own come from it as those of the others do; it may be a replaced one, which holds no place.
  const waiting = new Set([...all, asker])
  const scrape: Scrape = { asker: { worker: asker, id }, waiting, parts: [], timer: setTimeout(finish, figuresMs) }
  keeper.scrapes.set(number, scrape)
  for (const worker of waiting) say(worker, { kind: 'tell', id: number })
}

function onFigures(keeper: Keeper, worker: Worker, { id, part }: Extract<FromWorker, { readonly kind: 'figures' }>): void {
  const scrape = keeper.scrapes.get(id)
  if (scrape === undefined || !scrape.waiting.has(worker)) return
  scrape.parts.push(part)
  tookPart(keeper, scrape, worker)
}

/** It told its figures or ended: the last one to do so completes the scrape. */
function tookPart(keeper: Keeper, scrape: Scrape, worker: Worker): void {
  if (!scrape.waiting.delete(worker) || scrape.waiting.size > 0) return
  clearTimeout(scrape.timer)
  for (const [number, each] of keeper.scrapes) if (each === scrape) keeper.scrapes.delete(number)
  say(scrape.asker.worker, { kind: 'all', id: scrape.asker.id, parts: scrape.parts })
}
