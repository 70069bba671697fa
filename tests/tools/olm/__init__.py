"""The OLM bundle, made of the rendered chart: what chart, Chart.yaml or definitions say is not said again."""
