// Installs what is missing, builds the portal when it is old, then takes the pictures of docs/portal: `npm run screenshots`.
import { buildWeb } from './build-web.mjs'
import { ensure } from './ensure.mjs'
import { installPackages } from './install-test-tools.mjs'
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

try {
  const node = ensure({ dev: true })
  installPackages(
    { chromium: '/usr/bin/chromium', 'fonts-noto-cjk': '/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc' },
    'The pictures of the portal',
  )
  buildWeb({ node })
  const run = fileURLToPath(new URL('../test/screenshots/run.ts', import.meta.url))
  process.exitCode = spawnSync(node, [run], { stdio: 'inherit' }).status ?? 1
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
}
