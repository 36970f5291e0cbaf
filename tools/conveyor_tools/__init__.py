"""What a model can use: tools, and the splitters that cut their calls into units."""
