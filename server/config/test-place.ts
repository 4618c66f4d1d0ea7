/** What the tests of loading share: a text or none, written as a file, loaded, and what came of it. */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Config } from './config.ts'
import { loadConfig } from './load.ts'
import { ConfigError, formatProblem } from './problem.ts'

export interface Outcome {
  readonly config: Config | undefined
  readonly warnings: readonly string[]
  readonly problems: readonly string[]
}

/** The least that a file must say. */
export const minimal = 'version: 0.1\nstorage: {filesystem: {}}\n'

/** A directory with the files that TLS needs, to load configurations in. */
export class ConfigPlace implements AsyncDisposable {
  readonly directory: string

  constructor(directory: string) {
    this.directory = directory
  }

  static async make(): Promise<ConfigPlace> {
    const directory = await mkdtemp(join(tmpdir(), 'berth-config-'))
    for (const file of ['tls.crt', 'tls.key', 'ca.pem']) await writeFile(join(directory, file), 'PEM')
    return new ConfigPlace(directory)
  }

  /** Loads the text as a file; undefined: without a file. */
  async load(text: string | undefined, environment: Record<string, string> = {}): Promise<Outcome> {
    const file = text === undefined ? undefined : join(this.directory, 'config.yml')
    if (file !== undefined) await writeFile(file, text ?? '')
    try {
      const { config, warnings } = await loadConfig({ file, environment, cwd: this.directory })
      return { config, warnings, problems: [] }
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      return { config: undefined, warnings: error.warnings, problems: error.problems.map(formatProblem) }
    }
  }

  /** The configuration of a text that must be right. */
  async configOf(text: string | undefined, environment: Record<string, string> = {}): Promise<Config> {
    const { config, problems } = await this.load(text, environment)
    assert.deepEqual(problems, [])
    assert.ok(config)
    return config
  }

  /** The problems of a text, one a line. */
  async problemsOf(text: string | undefined, environment: Record<string, string> = {}): Promise<string> {
    return (await this.load(text, environment)).problems.join('\n')
  }

  [Symbol.asyncDispose](): Promise<void> {
    return rm(this.directory, { recursive: true })
  }
}
