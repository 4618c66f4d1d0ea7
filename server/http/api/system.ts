/** The system: its settings, information and configuration over HTTP. */
import { hostname } from 'node:os'
import * as contract from '#api/routes/system.ts'
import { examineServer } from '#features/doctor.ts'
import { readSignInChoices, readSystemInformation } from '#features/system-information.ts'
import {
  readProjectNetworks,
  updateProjectNetworks,
  updateSystemSettings,
  type ProjectNetworks,
  type SettingsChange,
} from '#features/system-settings.ts'
import type { HttpParts } from '#http/exchange.ts'
import { programVersion } from '#lib/version.ts'
import { readOnlyRefusal } from '#oci/read-only.ts'
import { instantOf } from './page-body.ts'
import { serve, type ServedRoute } from './serve-route.ts'

function presentNetworks({ networks: { allow, deny }, version }: ProjectNetworks) {
  return { allow: [...allow], deny: [...deny], version }
}

type Settings = Awaited<ReturnType<typeof updateSystemSettings>>

function presentSettings({ settings, version }: Settings) {
  const { networks } = settings
  return { ...settings, networks: { allow: [...networks.allow], deny: [...networks.deny] }, version }
}

/** Served by the app. */
export const systemRoutes: readonly ServedRoute[] = [
  serve(contract.readSystem, async ({ parts, principal }) => {
    const { settings } = await parts.system.current()
    const { kind } = parts.config.auth
    const hasAccounts = kind === 'accounts' || kind === 'htpasswd'
    const choices = hasAccounts ? await readSignInChoices(parts.directory) : { hasPasswords: false, providers: [] }
    return {
      body: {
        name: 'Berth',
        banner: settings.banner,
        isReadOnly: settings.isReadOnly || parts.config.storage.readOnly,
        authentication: { kind, hasPasswords: choices.hasPasswords, providers: [...choices.providers] },
        ...(principal.isAnonymous ? {} : { version: programVersion() }),
      },
    }
  }),
  serve(contract.readSystemInformation, async ({ parts }) => ({ body: await information(parts) })),
  serve(contract.readSystemDoctor, async ({ parts: { config, ports, registry } }) => ({
    body: { diagnoses: await examineServer({ config, ports }, registry.metadata.reader) },
  })),
  serve(contract.readSystemSettings, async ({ parts }) => {
    const { settings, version } = await parts.system.current()
    return { body: presentSettings({ settings, version }), version }
  }),
  serve(contract.updateSystemSettings, async ({ parts, who, body, query, ifMatch }) => {
    const { settings } = await parts.system.current()
    if (parts.config.storage.readOnly)
      throw readOnlyRefusal('the configuration keeps it so (storage.maintenance.readonly): change that, and start it again')
    if (settings.isReadOnly && body.isReadOnly !== false) throw readOnlyRefusal('switch that off first, and then change the rest')
    const changes = body as SettingsChange['changes']
    const updated = await updateSystemSettings(
      parts.directory,
      { changes, expectedVersion: ifMatch, address: who.address, force: query.force === true },
      who,
    )
    return { body: presentSettings(updated), version: updated.version }
  }),
  serve(contract.readSystemConfiguration, async ({ parts }) => ({
    body: { file: parts.config.file ?? null, keys: [...parts.config.effective] },
  })),
  serve(contract.readProjectNetworks, async ({ parts, project }) => {
    const found = await readProjectNetworks(parts.directory, project.id)
    return { body: presentNetworks(found), version: found.version }
  }),
  serve(contract.replaceProjectNetworks, async ({ parts, project, who, body, query, ifMatch }) => {
    const change = { projectId: project.id, networks: body, expectedVersion: ifMatch, address: who.address, force: query.force === true }
    const updated = await updateProjectNetworks(parts.directory, change, who)
    return { body: presentNetworks(updated), version: updated.version }
  }),
]

async function information({ registry, config, ports, audit }: HttpParts) {
  const { schemaVersion, databaseKind, storeName, space, counts } = await readSystemInformation(registry)
  const { version: runtime, platform, arch } = process
  const uptimeSeconds = process.uptime()
  return {
    version: programVersion(),
    node: {
      name: hostname(),
      runtime: `Node.js ${runtime}`,
      platform: `${platform} ${arch}`,
      startedAt: instantOf(ports.clock.now() - uptimeSeconds * 1000),
      uptimeSeconds: Math.floor(uptimeSeconds),
    },
    database: { kind: databaseKind, file: config.database.driver === 'sqlite' ? config.database.file : null, schemaVersion },
    storage: {
      kind: storeName,
      place: config.storage.rootDirectory ?? null,
      freeBytes: space?.freeBytes ?? null,
      totalBytes: space?.totalBytes ?? null,
    },
    counts,
    audit: { pending: audit.pending, flushFailures: audit.flushFailures },
  }
}
