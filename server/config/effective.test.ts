import assert from 'node:assert/strict'
import { test } from 'node:test'
import { effectiveConfiguration } from './effective.ts'
import { loadConfig } from './load.ts'

test('the configuration in force names each value and its origin, and no secret', async () => {
  const environment = {
    REGISTRY_HTTP_DRAINTIMEOUT: '90s',
    REGISTRY_HTTP_SECRET: 'hunter2',
    REGISTRY_REDIS_PASSWORD: 'hunter2',
    REGISTRY_HEALTH_HTTP: '[{uri: "https://u:hunter2@x", headers: {Authorization: [hunter2]}}]',
  }
  const { config, values } = await loadConfig({ environment, cwd: '/srv' })
  const lines = effectiveConfiguration(config, values).split('\n')
  for (const line of [
    'auth: accounts  # default',
    'storage.filesystem.rootdirectory: /srv/data  # default',
    'database.file: /srv/data/berth.db  # default',
    'http.draintimeout: 1m30s  # REGISTRY_HTTP_DRAINTIMEOUT',
    'limits.manifestbytes: 4MiB  # default',
  ]) {
    assert.ok(lines.includes(line), line)
  }
  assert.doesNotMatch(lines.join('\n'), /hunter2|redis|htpasswd/)
})
