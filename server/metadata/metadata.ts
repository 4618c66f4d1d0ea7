/**
 * The database behind one type: reads by {@link Metadata.reader}, writes as named transactions.
 *
 * The problem: SQLite has one writer and its commits wait for the disk, PostgreSQL has many; neither may stall the event loop, and rooms above
 * write transactions that span several tables. The way: a transaction is a function defined with {@link transaction}, of structured-cloneable
 * input and output, so that SQLite can run it in its writer thread, many of them in one commit, and PostgreSQL where it stands.
 * A transaction's function sees nothing but its input and the database: time and random values come in as input.
 * To add a query: put it in the file of its table; hot reads use {@link prepare} (prepared.ts). To add a database: implement this interface.
 */
import type { Kysely, Transaction as KyselyTransaction } from 'kysely'
import type { Database } from './schema.ts'

/** Read-only by agreement: all reads of one request may see different commits. */
export type Reader = Kysely<Database>

/** Inside one transaction. */
export type Transactor = KyselyTransaction<Database>

/**
 * What a transaction sees of others on PostgreSQL. `serializable`: as if it ran alone. `read committed`: for those of pushes, which take the locks that they
 * need themselves (push-locks.ts) and so never lose against each other; the two kinds do not run at the same time. `snapshot`: for what only reads, takes its
 * time, and must see one state of everything; nobody waits for it. SQLite runs one after the other anyway.
 */
export type Isolation = 'serializable' | 'read committed' | 'snapshot'

/** A transaction by name, so that another thread can find and run it. `run` depends on nothing but `tx` and its input. */
export interface TransactionDefinition<Input, Output> {
  /** Unique over the whole program: `<file>/<verb>`. */
  readonly name: string
  /** Where the writer thread finds it: `import.meta.url` of the module that defines it at its top level. */
  readonly moduleUrl: string
  readonly isolation: Isolation
  readonly run: (tx: Transactor, input: Input) => Promise<Output>
}

/** Whether the database can be reached, for what can be answered without it. */
export interface AwaySignal {
  readonly isAway: boolean
  /** Why it is. */
  readonly cause?: unknown
  /** Calls back each time when it goes away, until disposed. */
  onAway(callback: () => void): Disposable
}

/** The database as rooms see it. Disposing waits for the writes under way. */
export interface Metadata extends AsyncDisposable {
  readonly dialect: 'sqlite' | 'postgres'
  readonly reader: Reader
  /**
   * Runs the transaction and resolves after its commit is durable. Rejects with the `RegistryError` that `run` threw (nothing was written), with
   * `STORAGE_FULL` when the disk is, with `UNAVAILABLE` when the database is away.
   */
  write<Input, Output>(definition: TransactionDefinition<Input, Output>, input: Input): Promise<Output>
  /** Gets ready for the transactions that are defined by now, beside all else, where the first write of each would wait for that. */
  preload?(): void
  /** Absent where the database is in this process. */
  readonly away?: AwaySignal
  /** Cheap proof that the database answers. Throws as `write` does. */
  ping(): Promise<void>
}
