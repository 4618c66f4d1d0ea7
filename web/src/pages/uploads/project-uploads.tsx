import { Panel } from '../../parts/layout.tsx'
import { useWords } from '../../parts/use-words.ts'
import type { ProjectPartProps } from '../projects/project-parts.ts'
import { Uploads } from './uploads.tsx'

export function ProjectUploads({ project }: ProjectPartProps) {
  const { t } = useWords()
  return (
    <Panel title={t('manage:uploads.title')} isFlush>
      <Uploads scope={{ kind: 'project', name: project.name }} />
    </Panel>
  )
}
