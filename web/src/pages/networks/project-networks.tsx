import { useQuery } from '@tanstack/react-query'
import { change, query } from '../../api/client.ts'
import { readProjectNetworks, replaceProjectNetworks } from '../../api/manage-routes.ts'
import { readProject } from '../../api/routes.ts'
import { Panel } from '../../parts/layout.tsx'
import { Loaded } from '../../parts/loaded.tsx'
import { useWords } from '../../parts/use-words.ts'
import { NetworkForm } from './network-form.tsx'

/** From where a project may be used. */
export function ProjectNetworks({ project }: { readonly project: string }) {
  const { t } = useWords()
  const networks = useQuery(query(readProjectNetworks, { params: { project } }))
  return (
    <Panel title={t('manage:networks.title')}>
      <Loaded of={networks} rows={2}>
        {(data) => (
          <NetworkForm
            key={data.version}
            networks={data}
            text={t('manage:networks.projectText')}
            save={(body, force) =>
              change(replaceProjectNetworks, { params: { project }, query: { force }, body, ifMatch: data.version }, [
                readProjectNetworks,
                // They stand in the row of the project, whose version they raise.
                readProject,
              ])
            }
          />
        )}
      </Loaded>
    </Panel>
  )
}
