/** A Berth whose blobs are in an object store, with a database of its own. */
import { join } from 'node:path'
import { testDialect } from '#metadata/test-postgres.ts'
import { startBerth, type RunningBerth } from './start-berth.ts'
import { temporaryDirectory } from './temporary-directory.ts'

/** Starts a server whose `storage` is this; `env` is laid over its environment. */
export async function startBerthOnCloud(
  storage: Readonly<Record<string, unknown>>,
  env: Readonly<Record<string, string>> = {},
): Promise<RunningBerth> {
  const data = await temporaryDirectory('cloud-database')
  const berth = await startBerth({
    dataDir: data.path,
    env,
    config: {
      secrets: { keyfile: join(data.path, 'berth.key') },
      ...(testDialect === 'postgres' ? {} : { database: { file: join(data.path, 'berth.db') } }),
      storage: { filesystem: undefined, ...storage },
    },
  })
  return {
    ...berth,
    [Symbol.asyncDispose]: async () => {
      await berth[Symbol.asyncDispose]()
      await data[Symbol.asyncDispose]()
    },
  }
}
