/** Where a configuration comes from, in rising order: the defaults, the file, `REGISTRY_*` variables. */
import { constants } from 'node:fs'
import { access, readFile, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { buildConfig } from './build-config.ts'
import type { Config, TlsConfig } from './config.ts'
import { effectiveKeys } from './effective.ts'
import { applyEnvironment, configurationPathVariable, type Listener } from './environment.ts'
import { ConfigError, type Problem } from './problem.ts'
import { describeFound, rawMap, type RawMap } from './raw-value.ts'
import { readYaml } from './read-yaml.ts'
import { validate, type Values } from './validate.ts'

/** Where to read from. `environment` and `cwd` are handed in, so that nothing here reads the process. */
export interface ConfigSource {
  /** Relative to `cwd`. Without it the variable REGISTRY_CONFIGURATION_PATH is asked, then Berth runs without a file. */
  readonly file?: string | undefined
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly cwd: string
}

/** A configuration without problems, as it is used and as it was written. */
export interface LoadedConfig {
  readonly config: Config
  /** What an operator should know, each a sentence that begins with the key. */
  readonly warnings: readonly string[]
  /** What the configuration was made of. */
  readonly values: Values
}

/** Throws {@link ConfigError} with every problem there is. */
export async function loadConfig({ file, environment, cwd }: ConfigSource): Promise<LoadedConfig> {
  const problems: Problem[] = []
  const warnings: string[] = []
  const listener: Listener = { problem: (problem) => void problems.push(problem), warn: (text) => void warnings.push(text) }

  const named = file ?? environment[configurationPathVariable]
  const path = named === undefined || named === '' ? undefined : resolve(cwd, named)
  const tree = path === undefined ? rawMap('the defaults') : await readTree(path, listener)
  if (tree === undefined) throw new ConfigError(problems, warnings)
  applyEnvironment(tree, environment, listener)
  const values = validate(tree, listener)
  const built = buildConfig(values, { file: path, cwd }, listener)
  const config: Config = { ...built, effective: effectiveKeys(built, values) }
  if (!problems.some(({ path: at }) => at.startsWith('http.tls'))) await checkFiles(config, listener)
  if (problems.length > 0) throw new ConfigError(problems, warnings)
  return { config, warnings, values }
}

async function readTree(path: string, listener: Listener): Promise<RawMap | undefined> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    listener.problem({ path: '', expected: `a readable file at ${path}`, found: (error as NodeJS.ErrnoException).code ?? 'an error' })
    return undefined
  }
  const tree = readYaml(text.replace(/^\uFEFF/, ''), undefined, listener.problem)
  if (tree === undefined || tree.kind === 'map') return tree
  listener.problem({
    path: '',
    expected: 'a map of keys, beginning with version: 0.1',
    found: describeFound(tree, true),
    origin: tree.origin,
  })
  return undefined
}

function tlsFiles({
  selfSigned,
  certificate,
  key,
  certificates = [],
  acme,
  ...tls
}: TlsConfig): readonly (readonly [string, string | undefined])[] {
  return [
    // What is made at the start need not be there before.
    ...(selfSigned === undefined
      ? ([
          ['http.tls.certificate', certificate],
          ['http.tls.key', key],
        ] as const)
      : []),
    ...certificates.flatMap((pair) => [['http.tls.certificates', pair.certificate] as const, ['http.tls.certificates', pair.key] as const]),
    ['http.tls.letsencrypt.trustedca', acme?.trustedCa],
    ...tls.clientCas.map((file, index) => [`http.tls.clientcas[${index}]`, file] as const),
    ...tls.crls.map((file, index) => [`http.tls.crls[${index}]`, file] as const),
  ]
}

/** Files that must be there before the listener opens, so that `berth config check` finds their absence. */
async function checkFiles({ http: { tls }, auth }: Config, { problem }: Listener): Promise<void> {
  const files: (readonly [string, string | undefined])[] = []
  if (tls !== undefined) files.push(...tlsFiles(tls))
  if (auth.kind === 'token') files.push(['auth.token.rootcertbundle', auth.rootCertBundle], ['auth.token.jwks', auth.jwks])
  for (const [path, file] of files) {
    if (file === undefined) continue
    try {
      await access(file, constants.R_OK)
      if ((await stat(file)).isDirectory()) problem({ path, expected: 'a readable file', found: `${file}, a directory` })
    } catch (error) {
      problem({ path, expected: 'a readable file', found: `${file} (${(error as NodeJS.ErrnoException).code ?? 'error'})` })
    }
  }
}
