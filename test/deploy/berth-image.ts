import { cp, mkdir } from 'node:fs/promises'
import type { Engine } from './engine.ts'
import { deployFile } from './example.ts'

/** What scripts/test-deploy.mjs made before: tars of Debian, and node_modules as they are in the image. Empty where it was not run. */
export const made = {
  base: process.env['BERTH_TEST_BASE'] ?? '',
  services: process.env['BERTH_TEST_SERVICES'] ?? '',
  production: process.env['BERTH_TEST_PRODUCTION'] ?? '',
}

/** Why tests with images are left out; false where they are not. */
export const skip = made.base === '' ? 'npm run test:deploy makes the base' : false

/** Builds `berth` from this checkout as deploy/image says, on Debian, without a network. */
export async function buildBerthImage(engine: Engine): Promise<void> {
  await engine.docker(['import', made.base, 'base:test'])
  const context = engine.file('context')
  const checkout = deployFile('..')
  await mkdir(`${context}/deploy`, { recursive: true })
  for (const part of ['bin', 'cli', 'server', 'LICENSE', 'package.json', 'package-lock.json', 'deploy/image', 'web/dist'])
    await cp(`${checkout}/${part}`, `${context}/${part}`, { recursive: true })
  await cp(`${made.production}/node_modules`, `${context}/node_modules`, { recursive: true, verbatimSymlinks: true })
  const args = ['--build-arg', 'BASE=base:test', '--build-arg', 'DEPENDENCIES=given', '-f', `${context}/deploy/image/Containerfile`]
  await engine.docker(['build', '--network', 'none', ...args, '-t', 'berth', context], { env: { DOCKER_BUILDKIT: '1' } })
}
