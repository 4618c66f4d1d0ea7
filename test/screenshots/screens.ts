/** The ten screens that docs/portal shows. */
import type { Page } from 'playwright-core'
import { compared, shown, type Furnished } from './furnish.ts'

export interface Screen {
  /** Of its files. */
  readonly name: string
  readonly title: string
  readonly path: string
  /** What is there when it is drawn. */
  readonly ready: string
  /** What is done before the picture is taken. */
  readonly act?: (page: Page) => Promise<void>
}

/** In the order in which they are shown. */
export function screensOf({ digest, job }: Furnished): readonly Screen[] {
  const image = `/repositories/${shown}/-/manifests/${digest}`
  return [
    { name: 'projects', title: 'Projects', path: '/projects', ready: '.project-card' },
    { name: 'project', title: 'A project: how much there is, how it goes', path: '/projects/shop', ready: 'tr.row' },
    { name: 'tags', title: 'Tags of a repository', path: `/repositories/${shown}`, ready: 'tr.row' },
    { name: 'layers', title: 'An image opened up', path: image, ready: '.layer' },
    {
      name: 'referrers',
      title: 'Signatures, SBOMs and attestations',
      path: `${image}?view=referrers`,
      ready: 'main ul [aria-expanded]',
      act: async (page) => {
        const arrows = page.locator('main ul [aria-expanded=false]')
        for (let at = (await arrows.count()) - 1; at >= 0; at--) await arrows.nth(at).click()
      },
    },
    { name: 'files', title: 'The files inside', path: `${image}?view=files&path=/srv&file=/srv/server.js`, ready: 'tr.row' },
    {
      name: 'compare',
      title: 'Two tags side by side',
      path: `/repositories/${shown}/-/compare/${compared.from}/${compared.to}?view=packages`,
      ready: 'tr.row',
    },
    {
      name: 'search',
      title: 'Search, from everywhere',
      path: `/repositories/${shown}`,
      ready: 'tr.row',
      act: async (page) => {
        await page.keyboard.press('Control+k')
        await page.getByRole('dialog').getByRole('combobox').fill('or')
        await page.getByRole('option').first().waitFor()
      },
    },
    { name: 'overview', title: 'The registry over time', path: '/admin/overview?view=week', ready: '[role=img]' },
    { name: 'job', title: 'Work in the background', path: `/admin/jobs?job=${job}`, ready: '[role=dialog] pre' },
  ]
}
