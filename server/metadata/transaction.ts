/** Transactions by name, so that a thread that has only the name and the module's URL runs the same function. */
import type { Isolation, Transactor, TransactionDefinition } from './metadata.ts'

/** A definition whose types are forgotten: what the registry holds. */
export type AnyTransaction = TransactionDefinition<unknown, unknown>

const definitions = new Map<string, AnyTransaction>()

/**
 * Defines a transaction; call it at the top level of a module with `import.meta.url`. Input and output must be structured-cloneable; `run` may
 * await nothing but queries on `tx`, for all who wait share its commit. The module is loaded in the writer thread too: its top level has no effects.
 */
export function transaction<Input, Output>(
  moduleUrl: string,
  name: string,
  run: (tx: Transactor, input: Input) => Promise<Output>,
  isolation: Isolation = 'serializable',
): TransactionDefinition<Input, Output> {
  if (definitions.has(name)) throw new Error(`transaction ${name} is defined twice`)
  const definition: TransactionDefinition<Input, Output> = { moduleUrl, name, isolation, run }
  definitions.set(name, definition as AnyTransaction)
  return definition
}

/** The modules of all transactions that are defined by now, each once. */
export function transactionModules(): readonly string[] {
  return [...new Set([...definitions.values()].map(({ moduleUrl }) => moduleUrl))]
}

/** The transaction of that name, loading the module that defines it if needed. Throws when the module does not define it. */
export async function findTransaction(moduleUrl: string, name: string): Promise<AnyTransaction> {
  if (!definitions.has(name)) await import(moduleUrl)
  const definition = definitions.get(name)
  if (definition === undefined) throw new Error(`module does not define transaction ${name} at its top level`)
  return definition
}
