/**
 * The row of this process among those that serve on the same database.
 *
 * The problem: whoever looks after several nodes wants to know in one place which there are, of which version, and whether their clocks agree; a balancer knows
 * addresses alone. The way: each process writes a row at its start, a sign of life each ten seconds, and takes it away at its end; who stays silent is dead.
 * Nothing in the registry depends on these rows: uploads, jobs and leases have clocks and holders of their own. What nodes are judged by stands in
 * metadata/nodes.ts; the doctor and the API read it there.
 */
import type { Logger } from '#lib/logger.ts'
import type { Ports } from '#lib/ports.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { deleteDeadNodes, deleteNode, putNode, readDatabaseClock, type DeadNodes, type NodeFacts } from '#metadata/nodes.ts'
import { transaction } from '#metadata/transaction.ts'

const beatMs = 10_000
/** Looks for rows of dead nodes once in so many beats. */
const beatsPerLook = 6
/** An answer that took longer tells nothing of the database's clock. */
const clockRoundTripMs = 1_000
/** An end waits so long for its row to go; else the node is silent, and then dead. */
const farewellMs = 2_000

const put = transaction(import.meta.url, 'nodes/put', (tx, facts: NodeFacts) => putNode(tx, facts))
const remove = transaction(import.meta.url, 'nodes/remove', (tx, nodeId: string) => deleteNode(tx, nodeId))
const clear = transaction(import.meta.url, 'nodes/clear', (tx, dead: DeadNodes) => deleteDeadNodes(tx, dead))

/** Beats until it is disposed, which takes the row away. */
export interface NodeHeart extends AsyncDisposable {
  /** Says from now on that this node ends. */
  leave(): void
  /** How far this process's clock is ahead of the database's; undefined before the first beat, or where that could not be told. */
  readonly clockOffsetMs: number | undefined
}

/** What a heart beats with. */
export interface NodeParts {
  readonly metadata: Metadata
  readonly ports: Pick<Ports, 'clock' | 'timers' | 'random'>
  readonly log: Logger
}

/** Who this is. `isAlone`: no other process listens at this address. */
export type NodeIdentity = Omit<NodeFacts, 'nodeId' | 'clockOffsetMs' | 'isDraining'> & Pick<DeadNodes, 'isAlone'>

/** Begins to beat. A database that is away is not waited for. */
export function startNodeHeart({ metadata, ports, log }: NodeParts, { isAlone, ...identity }: NodeIdentity): NodeHeart {
  const nodeId = ports.random.uuid()
  const { name, address } = identity
  let isDraining = false
  let clockOffsetMs: number | undefined
  let beats = 0
  const beat = async () => {
    try {
      if (metadata.away?.isAway === true) return
      clockOffsetMs = (await measureClock(metadata, ports)) ?? clockOffsetMs
      await metadata.write(put, { ...identity, nodeId, clockOffsetMs: clockOffsetMs ?? null, isDraining })
      // Once at the start whatever was left at this address; later only who was silent there, a worker that was replaced for one.
      if (beats % beatsPerLook === 0) await metadata.write(clear, { nodeId, name, address, isAlone: isAlone && beats === 0 })
      beats += 1
    } catch (error) {
      log.debug({ err: error }, 'the row of this node cannot be written now')
    }
  }
  let isAgain = false
  let current: Promise<void> | undefined
  const turn = () => {
    isAgain = current !== undefined
    current ??= beat().finally(() => {
      current = undefined
      if (isAgain) turn()
    })
  }
  turn()
  const timer = ports.timers.every(beatMs, () => void (current ?? turn()))
  return {
    get clockOffsetMs() {
      return clockOffsetMs
    },
    leave() {
      isDraining = true
      turn()
    },
    async [Symbol.asyncDispose]() {
      timer[Symbol.dispose]()
      isAgain = false
      const farewell = async () => {
        await current
        isAgain = false
        if (metadata.away?.isAway !== true) await metadata.write(remove, nodeId)
      }
      const tooLate = new AbortController()
      const late = ports.timers.sleep(farewellMs, tooLate.signal).catch(() => undefined)
      await Promise.race([farewell().catch(() => undefined), late])
      tooLate.abort()
    },
  }
}

/** Undefined where the answer took too long to tell. */
async function measureClock({ reader }: Metadata, { clock }: Pick<Ports, 'clock'>): Promise<number | undefined> {
  const [before, from] = [clock.now(), clock.monotonic()]
  const there = await readDatabaseClock(reader)
  const tookMs = clock.monotonic() - from
  return tookMs > clockRoundTripMs ? undefined : Math.round(before + tookMs / 2 - there)
}
