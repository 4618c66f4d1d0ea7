import type { Command } from 'commander'
import type { Config } from '#config/config.ts'
import { effectiveConfiguration } from '#config/effective.ts'
import { loadConfig } from '#config/load.ts'
import { ConfigError } from '#config/problem.ts'

/** `berth config check [FILE]`: all that is wrong with a configuration, without starting anything. */
export function registerConfig(program: Command): void {
  const config = program.command('config').description('look at a configuration')
  config
    .command('check')
    .description('print every problem and warning of a configuration; status 1 when there is a problem')
    .argument('[file]', 'config.yml; without it REGISTRY_CONFIGURATION_PATH names one, or the defaults count')
    .option('--effective', 'print the configuration in force, with where each value comes from; secrets are masked')
    .action(runCheck)
}

async function runCheck(file: string | undefined, { effective = false }: { effective?: boolean }): Promise<void> {
  try {
    const { config, warnings: ofKeys, values } = await loadConfig({ file, environment: process.env, cwd: process.cwd() })
    await requirePlaceOfBackups(config)
    const warnings = [...ofKeys, ...(await warningsOfUsers(config)), ...(await warningsOfCdn(config))]
    printWarnings(warnings)
    if (effective) console.log(effectiveConfiguration(config, values))
    else
      console.log(
        `${config.file ?? 'The configuration without a file'} is fine${warnings.length === 0 ? '' : ', with the warnings above'}.`,
      )
  } catch (error) {
    if (error instanceof ConfigError) printWarnings(error.warnings)
    throw error
  }
}

/** Whoever stands in a line that does not count cannot sign in, and finds it out by a 401. */
async function warningsOfUsers(config: Config): Promise<readonly string[]> {
  if (config.auth.kind !== 'htpasswd') return []
  const { examineHtpasswd } = await import('#main.ts')
  return (await examineHtpasswd(config)).map((sentence) => `auth.htpasswd.path: ${sentence}`)
}

/** Throws for a place that the start would refuse. */
async function requirePlaceOfBackups(config: Config): Promise<void> {
  if (config.backup.place === undefined) return
  const [{ requireBackupsElsewhere }, { systemPorts }] = await Promise.all([import('#main.ts'), import('#lib/ports.ts')])
  await requireBackupsElsewhere(config, systemPorts)
}

/** Throws for a key that the start would refuse. */
async function warningsOfCdn(config: Config): Promise<readonly string[]> {
  if (config.storage.redirects?.cdn === undefined) return []
  const { examineCdnKey } = await import('#main.ts')
  return await examineCdnKey(config)
}

function printWarnings(warnings: readonly string[]): void {
  for (const warning of warnings) console.error(`warning: ${warning}`)
}
