// Grafana's own types of a dashboard, as its JSON has them: members of enumerations are texts.
import { AnnotationQuery, Dashboard } from "@grafana/schema/dist/esm/raw/dashboard/x/Dashboard_types.gen";

type Json<T> = T extends string ? `${T}`
  : T extends number | boolean | null | undefined ? T
  : T extends (infer E)[] ? Json<E>[]
  : T extends object ? { [K in keyof T]: Json<T[K]> }
  : T;

// What belongs to the data source, which the schema leaves open.
type Prometheus = Omit<AnnotationQuery, "target"> & {
  target: { refId: string; expr: string; interval: string };
  titleFormat: string;
  textFormat: string;
};

export type Checked = Omit<Json<Dashboard>, "annotations"> & { annotations: { list: Json<Prometheus>[] } };
